#include "unrect/base/internal/decompositions.hpp"

UNRECT_DECOMPOSITIONS();
