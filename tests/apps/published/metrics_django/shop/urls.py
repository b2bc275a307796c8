"""Where the view is."""

from django.urls import path

from . import views

urlpatterns = [path("", views.index)]
