"""The address of predictions, below /inference/."""

from django.urls import path

from serving.inference import inference

urlpatterns = [
    path("<str:project>/<str:serving>/<path:path>", inference, name="inference"),
    path("<str:project>/<str:serving>/", inference, {"path": ""}, name="inference-root"),
]
