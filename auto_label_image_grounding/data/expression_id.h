// The ids of expressions in annotations.jsonl.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace alig {

std::string expression_id(std::int64_t number);  // "expr_00007"

// The number of an id that is written as expression_id() does; none for other ids, and beyond 2^28.
std::optional<std::int64_t> expression_number(std::string_view id);

}  // namespace alig
