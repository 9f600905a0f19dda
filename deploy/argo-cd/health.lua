-- What Argo CD says of a Rollout: the phase that the controller has written, once it is about what was asked for last.
hs = {}

local status = obj.status or {}
local annotations = obj.metadata.annotations or {}

local function waiting(message)
  hs.status = "Progressing"
  hs.message = message
  return hs
end

if tostring(status.observedGeneration) ~= tostring(obj.metadata.generation) then
  return waiting("waiting for rollout spec update to be observed")
end
if obj.spec.workloadRef ~= nil then
  local noted = annotations["rollout.argoproj.io/workload-generation"]
  if tostring(status.workloadObservedGeneration) ~= tostring(noted) then
    return waiting("waiting for rollout spec update to be observed")
  end
end

local pauses = status.pauseConditions or {}
if status.phase == "Paused" and #pauses == 0 and not obj.spec.paused then
  return waiting("waiting for rollout to unpause")
end
if status.abort and status.abortedAt == nil and status.phase ~= "Degraded" then
  return waiting("waiting for rollout to abort")
end

if status.phase == "Healthy" or status.phase == "Degraded" then
  hs.status = status.phase
elseif status.phase == "Paused" then
  hs.status = "Suspended"
else
  hs.status = "Progressing"
end
hs.message = status.message or ""
return hs
