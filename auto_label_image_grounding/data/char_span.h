// Where a text is within a caption.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace alig {

// Half-open, in Unicode code points of the cleaned caption, as in Python.
struct CharSpan {
  std::int64_t begin = 0;
  std::int64_t end = 0;
  bool operator==(const CharSpan&) const = default;
};

// Whether the caption has exactly this text there, whatever its letter case. `lower_caption`:
// lower_code_points() of the caption.
bool is_true_span(const CharSpan& span, const std::vector<char32_t>& lower_caption,
                  std::string_view text);

}  // namespace alig
