// Many small pictures at once, for Python.
#pragma once

#include <nanobind/nanobind.h>

void bind_pictures(nanobind::module_& m);
