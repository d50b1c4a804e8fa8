"""The API's addresses for safety reports, below /api/projects/<project>/."""

from django.urls import path

from models_registry.safety import api

urlpatterns = [
    path("reports/", api.Reports.as_view()),
    path("reports/<str:sha256>/", api.ReportDetail.as_view()),
    path("reports/<str:sha256>/scan/", api.ReportScan.as_view()),
    path("reports/<str:sha256>/approve/", api.ReportApproval.as_view()),
]
