"""The API's addresses for the calls of a serving, below its own."""

from django.urls import path

from serving.records import api

urlpatterns = [
    path("", api.InferenceRecords.as_view()),
    path("chart/", api.InferenceRecordChart.as_view()),
    path("export/", api.InferenceRecordExport.as_view()),
    path("<int:record>/", api.InferenceRecordDetail.as_view()),
]
