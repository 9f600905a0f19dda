-- Gives the traffic back to the stable version.
obj.status.abort = true
return obj
