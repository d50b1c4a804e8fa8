"""The pages of people and projects: sign in, projects, members, API keys, audit trail."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import LoginView, PasswordChangeView
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse_lazy
from django.utils.cache import add_never_cache_headers
from django.views.decorators.http import require_http_methods, require_safe
from django_htmx.http import HttpResponseClientRedirect

from accounts import access, queries, services
from accounts.forms import KeyForm, MemberForm, ProjectForm, SettingsForm, SignInForm
from accounts.models import FilePolicy, Role, Scope
from accounts.pages import PageRequest

PER_PAGE = 50


class SignIn(LoginView):
    template_name = "accounts/sign_in.html"
    authentication_form = SignInForm
    redirect_authenticated_user = True

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """A section that polls when the session has ended sends the whole page here."""
        if getattr(request, "htmx", False):
            return HttpResponseClientRedirect(request.get_full_path())
        return super().dispatch(request, *args, **kwargs)


class ChangePassword(PasswordChangeView):
    template_name = "accounts/password.html"
    success_url = reverse_lazy("home")

    def form_valid(self, form: Any) -> HttpResponse:
        messages.success(self.request, "Your password is changed.")
        return super().form_valid(form)


@login_required
@require_safe
def home(request: PageRequest) -> HttpResponse:
    first = queries.projects_of(request.user).first()
    return redirect("servings", first.name) if first else redirect("projects")


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def projects(request: PageRequest) -> HttpResponse:
    form = ProjectForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            created = services.create_project(owner=request.user, **form.cleaned_data)
        except services.AccountsError as error:
            form.add_error("name", str(error))
        else:
            messages.success(request, f"{created} is ready; export a model into it, then create a serving.")
            return redirect("servings", created.name)
    context = {"form": form, "memberships": queries.memberships_of(request.user)}
    return render(request, "accounts/projects.html", context, status=400 if form.errors else 200)


@login_required
@require_safe
def project(request: PageRequest, project: str) -> HttpResponse:
    return redirect("servings", access.project(request, project).project.name)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def members(request: PageRequest, project: str) -> HttpResponse:
    found = access.project(request, project, needs=Scope.ADMIN if request.method == "POST" else Scope.READ)
    form = MemberForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        username, role = form.cleaned_data["username"], Role(form.cleaned_data["role"])
        try:
            services.set_member(access=found, username=username, role=role)
        except services.AccountsError as error:
            form.add_error("username", str(error))
        else:
            messages.success(request, f"{username} is {role.label.lower()} of {found.project} now.")
            return redirect("members", found.project.name)
    context = {"access": found, "form": form, "members": queries.members(found.project), "roles": Role}
    return render(request, "accounts/members.html", context, status=400 if form.errors else 200)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def remove_member(request: PageRequest, project: str, username: str) -> HttpResponse:
    found = access.project(request, project, needs=Scope.ADMIN)
    if not queries.members(found.project).filter(user__username=username).exists():
        raise Http404(f"{username} is not a member of {found.project}.")
    if request.method == "POST":
        try:
            services.remove_member(access=found, username=username)
            messages.success(request, f"{username} is no longer a member, and their keys have ended.")
        except services.AccountsError as error:
            messages.error(request, str(error))
        is_oneself = username == request.user.username
        return redirect("home") if is_oneself else redirect("members", found.project.name)
    return render(request, "accounts/remove_member.html", {"access": found, "username": username})


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def keys(request: PageRequest, project: str) -> HttpResponse:
    """The keys; the answer to the form is the one time a new key's text is shown, so it is no redirect."""
    found = access.project(request, project)
    form = KeyForm(request.POST if request.method == "POST" else None, access=found)
    text = ""
    if form.is_valid():
        try:
            _, text = services.create_key(access=found, **form.wanted())
            form = KeyForm(access=found)
        except services.AccountsError as error:
            form.add_error(None, str(error))
    page = Paginator(queries.visible_keys(found), PER_PAGE).get_page(request.GET.get("page"))
    context = {"access": found, "form": form, "page": page, "new_key": text}
    response = render(request, "accounts/keys.html", context, status=400 if form.errors else 200)
    add_never_cache_headers(response)
    return response


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def revoke_key(request: PageRequest, project: str, key_id: str) -> HttpResponse:
    found = access.project(request, project)
    key = queries.visible_keys(found).filter(id=key_id).first()
    if key is None:
        raise Http404(f"There is no key hop_{key_id} that you may revoke.")
    if request.method == "POST":
        services.revoke_key(access=found, key_id=key.id)
        messages.success(request, f"{key.name} has ended; programs that use it are refused from now on.")
        return redirect("api-keys", found.project.name)
    return render(request, "accounts/revoke_key.html", {"access": found, "key": key})


@login_required
@require_safe
def audit(request: PageRequest, project: str) -> HttpResponse:
    found = access.project(request, project, needs=Scope.ADMIN)
    page = Paginator(queries.audit_trail(found.project), PER_PAGE).get_page(request.GET.get("page"))
    return render(request, "accounts/audit.html", {"access": found, "page": page})


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def settings(request: PageRequest, project: str) -> HttpResponse:
    found = access.project(request, project, needs=Scope.ADMIN)
    form = SettingsForm(request.POST) if request.method == "POST" else SettingsForm.of(found.project)
    if form.is_valid():
        policy = FilePolicy(form.cleaned_data["file_policy"])
        try:
            services.change_settings(access=found, file_policy=policy, quota_mb=form.cleaned_data["quota_mb"])
        except services.AccountsError as error:
            form.add_error("quota_mb", str(error))
        else:
            messages.success(request, "The settings are saved.")
            return redirect("project-settings", found.project.name)
    context = {"access": found, "form": form}
    return render(request, "accounts/settings.html", context, status=400 if form.errors else 200)
