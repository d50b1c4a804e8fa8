"""The pages of environments."""

from django.urls import path

from serving.environments import views

urlpatterns = [
    path("environments/", views.environments, name="environments"),
    path("environments/<str:key>/", views.environment, name="environment"),
    path("environments/<str:key>/rebuild/", views.rebuild, name="environment-rebuild"),
    path("environments/<str:key>/verify/", views.verify, name="environment-verify"),
    path("servings/<str:name>/build/", views.build, name="serving-build"),
    path("servings/<str:name>/build/again/", views.build_again, name="serving-build-again"),
    path("servings/<str:name>/pin/", views.pin, name="serving-pin"),
]
