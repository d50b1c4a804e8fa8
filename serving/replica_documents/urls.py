"""Documents for replicas; see `views`."""

from django.urls import path

from serving.replica_documents import views

urlpatterns = [
    path("files/", views.files),
    path("<str:key>/records/", views.take_records),
    path("<str:key>/predictors/<int:revision>/", views.predictors),
]
