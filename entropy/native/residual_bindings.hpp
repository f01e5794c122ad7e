// Residuals of sounds for Python.
#pragma once

#include <nanobind/nanobind.h>

void bind_residuals(nanobind::module_& m);
