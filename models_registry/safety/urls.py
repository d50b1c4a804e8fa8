"""The pages of safety reports."""

from django.urls import path

from models_registry.safety import views

urlpatterns = [
    path("safety/", views.overview, name="safety"),
    path("safety/<str:sha256>/", views.report, name="file-report"),
    path("safety/<str:sha256>/scan/", views.scan_again, name="file-scan"),
    path("safety/<str:sha256>/approve/", views.approve, name="file-approve"),
    path("safety/<str:sha256>/withdraw/", views.withdraw, name="file-withdraw"),
]
