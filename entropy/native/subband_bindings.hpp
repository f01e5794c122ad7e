// What the bindings of subbands and those of streams share.
#pragma once

#include <nanobind/nanobind.h>

#include "subband_coder.hpp"

inline constexpr std::size_t max_tile_side = std::size_t{1} << 24;

inline void check_subbands(const laconic::SubbandTile& tile, std::size_t channels, std::size_t height, std::size_t width, std::size_t first,
                           std::size_t last) {
    if (height != tile.grid().height || width != tile.grid().width || first > last || last > channels || last > tile.layout().num_channels())
        throw nanobind::value_error("planes or channels do not fit the tile");
}

inline void check_tables(const laconic::StepSubbandRules& rules, const laconic::TableSet& tables) {
    if (!tables.has_all(rules.rules().table_map) || !tables.has_all(rules.rules().quiet_tables))
        throw nanobind::value_error("the rules name a table outside the table set");
}

void bind_subbands(nanobind::module_& m);
