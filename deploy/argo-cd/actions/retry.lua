-- Tries an aborted version again.
obj.status.abort = nil
return obj
