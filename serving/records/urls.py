"""The pages of the calls of a serving, below its own."""

from django.urls import path

from serving.records import views

urlpatterns = [
    path("", views.calls, name="serving-calls"),
    path("charts/", views.drawn, name="serving-calls-charts"),
    path("export/", views.export, name="serving-calls-export"),
    path("<int:record>/", views.call, name="serving-call"),
]
