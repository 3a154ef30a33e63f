#include "auto_label_image_grounding/parse/number_text.h"

#include <charconv>
#include <cmath>
#include <limits>
#include <system_error>

#include "auto_label_image_grounding/base/text.h"
#include "auto_label_image_grounding/parse/tags.h"

namespace alig::parse {
namespace {

std::size_t digits_at(std::string_view text, std::size_t at) {
  std::size_t end = at;
  while (end < text.size() && is_digit(text[end])) ++end;
  return end - at;
}

// The length of "e-12" at `at`; 0 if it is not a complete exponent.
std::size_t exponent_at(std::string_view text, std::size_t at) {
  if (at >= text.size() || (text[at] != 'e' && text[at] != 'E')) return 0;
  std::size_t end = at + 1;
  if (end < text.size() && (text[end] == '+' || text[end] == '-')) ++end;
  const std::size_t digits = digits_at(text, end);
  return digits == 0 ? 0 : end + digits - at;
}

double to_double(std::string_view digits) {
  double value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  return error == std::errc() ? value : std::numeric_limits<double>::quiet_NaN();
}

std::optional<std::int64_t> to_integer(std::string_view digits) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

// "123", "coord_123", "|coord_123|": the number of a coordinate token.
std::optional<double> token_value(std::string_view name) {
  while (!name.empty() && name.front() == '|') name.remove_prefix(1);
  while (!name.empty() && name.back() == '|') name.remove_suffix(1);
  constexpr std::string_view kPrefix = "coord_";
  if (starts_with_ignoring_case(name, kPrefix)) name.remove_prefix(kPrefix.size());
  constexpr std::size_t kMaxDigits = 4;
  if (name.empty() || name.size() > kMaxDigits || digits_at(name, 0) != name.size()) {
    return std::nullopt;
  }
  return to_double(name);
}

class GroupReader {
 public:
  explicit GroupReader(std::string_view text) : text_(text) {}

  NumberGroups read() {
    while (at_ < text_.size() && !out_.other_text) step();
    finish(false);
    return std::move(out_);
  }

 private:
  void step() {
    const char c = text_[at_];
    if (c == '(' || c == '[') {
      finish(false);
      open_ = true;
      ++at_;
    } else if (c == ')' || c == ']') {
      finish(open_);
      open_ = false;
      ++at_;
    } else if (c == ',' || c == ';') {
      if (out_.tokens) finish(false);
      ++at_;
    } else if (c == ' ' || (c >= '\t' && c <= '\r')) {
      ++at_;
    } else if (c == '<') {
      tag();
    } else {
      number();
    }
  }

  void tag() {
    const auto found = tag_at(text_, at_);
    out_.other_text = !found;
    if (!found) return;
    at_ += found->length;
    const auto value = token_value(found->name);
    if (!value) return;
    out_.tokens = true;
    group_.push_back(*value);
  }

  void number() {
    const auto found = scan_number(text_.substr(at_));
    const std::size_t end = at_ + (found ? found->length : 0);
    const bool delimited =
        end >= text_.size() ||
        std::string_view(",;()[]< \t\n\v\f\r").find(text_[end]) != std::string_view::npos;
    out_.other_text = !found || !delimited;
    if (out_.other_text) return;
    group_.push_back(found->value);
    at_ = end;
  }

  void finish(bool bracketed) {
    if (!group_.empty()) out_.groups.push_back({std::move(group_), bracketed});
    group_ = {};
  }

  std::string_view text_;
  std::size_t at_ = 0;
  bool open_ = false;
  std::vector<double> group_;
  NumberGroups out_;
};

}  // namespace

std::optional<NumberToken> scan_number(std::string_view text) {
  const std::size_t sign = !text.empty() && (text[0] == '-' || text[0] == '+') ? 1 : 0;
  const std::size_t whole = digits_at(text, sign);
  std::size_t end = sign + whole;
  std::size_t fraction = 0;
  const bool point = end < text.size() && text[end] == '.';
  if (point) fraction = digits_at(text, end + 1);
  if (whole + fraction == 0) return std::nullopt;
  if (point) end += 1 + fraction;
  const std::size_t exponent = exponent_at(text, end);
  end += exponent;

  NumberToken token;
  token.length = end;
  const std::size_t plus = text[0] == '+' ? 1 : 0;  // from_chars takes no plus sign
  const std::string_view digits = text.substr(plus, end - plus);
  token.value = to_double(digits);
  if (!point && exponent == 0) token.integer = to_integer(digits);
  const bool leading_zero = whole > 1 && text[sign] == '0';
  token.strict = plus == 0 && whole > 0 && (!point || fraction > 0) && !leading_zero;
  return token;
}

std::optional<double> whole_number_text(std::string_view text) {
  const std::string_view trimmed = trim(text);
  const auto token = scan_number(trimmed);
  if (!token || token->length != trimmed.size() || !std::isfinite(token->value)) {
    return std::nullopt;
  }
  return token->value;
}

std::optional<double> score_from_text(std::string_view text) {
  std::string_view trimmed = trim(text);
  const bool percent = !trimmed.empty() && trimmed.back() == '%';
  if (percent) trimmed.remove_suffix(1);
  const auto value = whole_number_text(trimmed);
  constexpr double kPercent = 100;
  return value && percent ? std::optional<double>(*value / kPercent) : value;
}

NumberGroups read_number_groups(std::string_view text) { return GroupReader(text).read(); }

}  // namespace alig::parse
