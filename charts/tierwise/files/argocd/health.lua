-- Argo CD health of ModelDeployment and ModelRollout, by their conditions (docs/how-to/install.md says where it goes).
-- A rollout in flight or on hold is Progressing, what needs a person is Degraded, a paused one is Suspended.
local health = {status = "Progressing", message = "waiting for the operator"}
if obj.status == nil or obj.status.conditions == nil then
  return health
end
local generation = obj.metadata.generation
if generation ~= nil and obj.status.observedGeneration ~= nil and obj.status.observedGeneration ~= generation then
  health.message = "waiting for the operator to see generation " .. tostring(generation)
  return health
end
local conditions = {}
for _, condition in ipairs(obj.status.conditions) do
  conditions[condition.type] = condition
end
local function is_true(type)
  return conditions[type] ~= nil and conditions[type].status == "True"
end
local function say(status, type)
  health.status = status
  health.message = conditions[type].message or conditions[type].reason or ""
  return health
end
if is_true("Stalled") then
  return say("Degraded", "Stalled")
end
if is_true("Paused") then
  return say("Suspended", "Paused")
end
if is_true("Reconciling") then
  return say("Progressing", "Reconciling")
end
if is_true("Ready") then
  return say("Healthy", "Ready")
end
if conditions["Ready"] ~= nil then
  return say("Progressing", "Ready")
end
return health
