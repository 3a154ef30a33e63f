#include "auto_label_image_grounding/data/expression_id.h"

#include <charconv>

#include <fmt/core.h>

namespace alig {
namespace {

constexpr std::string_view kPrefix = "expr_";

}  // namespace

std::string expression_id(std::int64_t number) { return fmt::format("{}{:05}", kPrefix, number); }

std::optional<std::int64_t> expression_number(std::string_view id) {
  constexpr std::int64_t kLargest = std::int64_t{1} << 28;  // a bit for each is 32 MB
  if (!id.starts_with(kPrefix)) return std::nullopt;
  std::int64_t number = 0;
  const char* const end = id.data() + id.size();
  const auto read = std::from_chars(id.data() + kPrefix.size(), end, number);
  if (read.ec != std::errc() || number < 0 || number >= kLargest) return std::nullopt;
  return expression_id(number) == id ? std::optional(number) : std::nullopt;
}

}  // namespace alig
