// Numbers as models write them: "12", "-3.5", "+1", ".5", "5.", "1e3".
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace alig::parse {

inline bool is_digit(char c) { return c >= '0' && c <= '9'; }

struct NumberToken {
  std::size_t length = 0;  // bytes used
  double value = 0;        // not finite if out of a double's range
  std::optional<std::int64_t> integer;
  bool strict = true;  // as JSON allows it
};

// The longest number at the start of `text`, if any.
std::optional<NumberToken> scan_number(std::string_view text);

// The value if `text`, trimmed, is one finite number and nothing else.
std::optional<double> whole_number_text(std::string_view text);

// A score: a finite number, or its text. "85%" is 0.85; a bare 85 stays 85.
std::optional<double> score_from_text(std::string_view text);

// Numbers of a box written as text, in groups: "(1,2),(3,4)" -> {1,2},{3,4}; "10 20 30 40" ->
// {10,20,30,40}; "<12><34>,<56><78>" (coordinate tokens, grouped by commas).
struct NumberGroups {
  struct Group {
    std::vector<double> values;
    bool bracketed = false;  // had its own brackets, which were closed
  };
  std::vector<Group> groups;
  bool tokens = false;      // coordinate tokens <N> or <|coord_N|>
  bool other_text = false;  // holds anything but numbers, brackets, separators and tags
};
NumberGroups read_number_groups(std::string_view text);

}  // namespace alig::parse
