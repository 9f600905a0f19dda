-- Replaces the pods by others of the same version, as far as disruption budgets allow.
local os = require("os")
obj.spec.restartAt = os.date("!%Y-%m-%dT%H:%M:%SZ")
return obj
