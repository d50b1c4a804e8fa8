"""The pages of people and projects."""

from django.contrib.auth.views import LogoutView
from django.urls import path

from accounts import views

urlpatterns = [
    path("", views.home, name="home"),
    path("sign-in/", views.SignIn.as_view(), name="sign-in"),
    path("sign-out/", LogoutView.as_view(), name="sign-out"),
    path("password/", views.ChangePassword.as_view(), name="password"),
    path("projects/", views.projects, name="projects"),
    path("projects/<str:project>/", views.project, name="project"),
    path("projects/<str:project>/members/", views.members, name="members"),
    path("projects/<str:project>/members/<str:username>/remove/", views.remove_member, name="member-remove"),
    path("projects/<str:project>/keys/", views.keys, name="api-keys"),
    path("projects/<str:project>/keys/<str:key_id>/revoke/", views.revoke_key, name="key-revoke"),
    path("projects/<str:project>/audit/", views.audit, name="audit"),
    path("projects/<str:project>/settings/", views.settings, name="project-settings"),
]
