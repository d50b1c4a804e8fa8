"""What the API's schema calls the choices that several fields share."""

NAMES = {
    "Role": "accounts.models.Role",
    "Status": "serving.states.Status",
    "ReplicaState": "serving.states.ReplicaState",
    "CheckState": "serving.models.preflights.CheckState",
    "PreflightState": "serving.models.Preflight.State",
    "EnvironmentState": "serving.models.Environment.State",
    "ResolutionState": "serving.models.Resolution.State",
    "ReportState": "models_registry.models.FileReport.State",
    "TopicState": "serving.models.Topic.State",
}
