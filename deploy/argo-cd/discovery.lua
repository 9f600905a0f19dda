-- Which actions Argo CD offers for a Rollout as it is now.
local status = obj.status or {}
local pauses = status.pauseConditions or {}
local promoted = status.stableRS ~= nil and status.stableRS == status.currentPodHash

actions = {}
actions["abort"] = { ["disabled"] = promoted or status.abort == true }
actions["retry"] = { ["disabled"] = status.abort ~= true }
actions["pause"] = { ["disabled"] = obj.spec.paused == true }
actions["resume"] = { ["disabled"] = #pauses == 0 and obj.spec.paused ~= true }
actions["promote-full"] = { ["disabled"] = promoted or status.promoteFull == true }
actions["restart"] = { ["disabled"] = false }
return actions
