-- Ends the pause that holds the rollout, and skips nothing else.
if obj.spec.paused then
  obj.spec.paused = nil
else
  obj.status.pauseConditions = nil
end
return obj
