#include "auto_label_image_grounding/parse/lenient_string.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>
#include <utility>

#include "auto_label_image_grounding/base/text.h"
#include "auto_label_image_grounding/parse/number_text.h"

namespace alig::parse {
namespace {

constexpr std::size_t kMaxKeyLookahead = 64;

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool is_quote(char c) { return c == '"' || c == '\''; }
bool is_name_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '_';
}

std::size_t skip_spaces(std::string_view text, std::size_t at) {
  while (at < text.size()) {
    const bool escaped_space = text[at] == '\\' && at + 1 < text.size() &&
                               (text[at + 1] == 'n' || text[at + 1] == 't' || text[at + 1] == 'r');
    if (!is_space(text[at]) && !escaped_space) break;
    at += escaped_space ? 2 : 1;
  }
  return at;
}

std::size_t skip_backslashes(std::string_view text, std::size_t at) {
  while (at < text.size() && text[at] == '\\') ++at;
  return at;
}

// Whether `"name":` is at `at`.
bool is_quoted_key_at(std::string_view text, std::size_t at) {
  at = skip_backslashes(text, at);
  if (at >= text.size() || !is_quote(text[at])) return false;
  const std::string_view rest = text.substr(at + 1, kMaxKeyLookahead);
  const std::size_t end = rest.find(text[at]);
  if (end == std::string_view::npos || rest.substr(0, end).find_first_of("\n,{}[]") != rest.npos) {
    return false;
  }
  const std::size_t colon = skip_spaces(text, at + 1 + end + 1);
  return colon < text.size() && text[colon] == ':';
}

// Whether `name:` without quotes is at `at`.
bool is_bare_key_at(std::string_view text, std::size_t at) {
  std::size_t end = at;
  while (end < text.size() && end - at < kMaxKeyLookahead && is_name_char(text[end])) ++end;
  const std::size_t colon = skip_spaces(text, end);
  return end > at && colon < text.size() && text[colon] == ':';
}

bool is_literal_at(std::string_view text, std::size_t at) {
  static constexpr std::array<std::string_view, 8> kLiterals = {
      "true", "false", "null", "None", "True", "False", "NaN", "Infinity"};
  for (const std::string_view literal : kLiterals) {
    if (text.substr(at, literal.size()) == literal) return true;
  }
  return false;
}

bool is_comment_at(std::string_view text, std::size_t at) {
  return text[at] == '#' || text.substr(at, 2) == "//" || text.substr(at, 2) == "/*";
}

// What may follow the comma after a string.
bool is_plausible_after_comma(std::string_view text, std::size_t at, StringRole role) {
  at = skip_spaces(text, at);
  if (at >= text.size()) return true;
  const char c = text[at];
  if (is_quote(c) || c == '\\' || c == '}' || c == ']' || c == ')' || is_comment_at(text, at)) {
    return true;
  }
  if (role == StringRole::kObjectValue) return c == '{' || is_bare_key_at(text, at);
  if (c == '{' || c == '[' || c == '(' || c == '-' || c == '.' || is_digit(c)) return true;
  return is_literal_at(text, at);
}

// Whether a quote is the closing one, judged by what follows it: an unescaped quote inside a string
// is followed by more words.
bool closes(std::string_view text, std::size_t after, StringRole role) {
  const std::size_t at = skip_spaces(text, after);
  if (at >= text.size()) return true;
  const char c = text[at];
  if (role == StringRole::kKey) return c == ':' || c == '}' || c == '[' || c == '{';
  if (c == '}' || c == ']' || c == ')' || c == '{' || c == '[') return true;
  if (c == ',') return is_plausible_after_comma(text, at + 1, role);
  if (is_comment_at(text, at)) return true;
  if (!starts_string(text, at)) return false;
  // A comma is missing, or the string contains a quoted word.
  const bool new_line = text.substr(after, at - after).find('\n') != std::string_view::npos;
  return new_line || role == StringRole::kArrayElement || is_quoted_key_at(text, at);
}

std::optional<unsigned> hex4(std::string_view text, std::size_t at) {
  constexpr std::size_t kDigits = 4;
  if (at + kDigits > text.size()) return std::nullopt;
  unsigned value = 0;
  for (const char c : text.substr(at, kDigits)) {
    const char lower = static_cast<char>(c | 0x20);
    const bool letter = lower >= 'a' && lower <= 'f';
    if (!is_digit(c) && !letter) return std::nullopt;
    value = value * 16 + static_cast<unsigned>(letter ? lower - 'a' + 10 : c - '0');
  }
  return value;
}

// \uXXXX, with `at` just after the "u"; a surrogate pair is one code point.
std::size_t append_unicode(std::string_view text, std::size_t at, std::string& out) {
  const auto first = hex4(text, at);
  if (!first) return 0;
  constexpr unsigned kHigh = 0xD800, kLow = 0xDC00, kEnd = 0xE000;
  if (*first < kHigh || *first >= kEnd) {
    out += to_utf8(static_cast<char32_t>(*first));
    return 4;
  }
  const auto second = text.substr(at + 4, 2) == "\\u" ? hex4(text, at + 6) : std::nullopt;
  if (*first >= kLow || !second || *second < kLow || *second >= kEnd) {
    out += to_utf8(char32_t{0xFFFD});
    return 4;
  }
  out += to_utf8(static_cast<char32_t>(0x10000 + ((*first - kHigh) << 10) + (*second - kLow)));
  return 10;
}

// Appends what the escape at `at` (a backslash) means; returns the bytes used.
std::size_t append_escape(std::string_view text, std::size_t at, std::string& out,
                          std::set<Repair>& repairs) {
  if (at + 1 >= text.size()) {
    out += '\\';
    return 1;
  }
  const char c = text[at + 1];
  static constexpr std::string_view kNames = "\"\\/bfnrt";
  static constexpr std::string_view kMeanings = "\"\\/\b\f\n\r\t";
  const std::size_t known = kNames.find(c);
  if (known != std::string_view::npos) {
    out += kMeanings[known];
    return 2;
  }
  if (c == 'u') {
    const std::size_t used = append_unicode(text, at + 2, out);
    if (used > 0) return 2 + used;
  }
  repairs.insert(c == '\'' ? Repair::kSingleQuotes : Repair::kBadEscape);
  if (c != '\'') out += '\\';
  out += c;
  return 2;
}

std::string unescape(std::string_view text, std::set<Repair>& repairs) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    if (text[at] == '\\') {
      at += append_escape(text, at, out, repairs);
    } else {
      out += text[at++];
    }
  }
  return out;
}

class StringReader {
 public:
  StringReader(std::string_view text, std::size_t begin, StringRole role, std::set<Repair>& repairs)
      : text_(text), role_(role), repairs_(repairs) {
    at_ = skip_backslashes(text, begin);
    escapes_ = at_ - begin;
    quote_ = text_[at_++];
  }

  StringOutcome read() {
    if (escapes_ > 0) repairs_.insert(Repair::kEscapedJson);
    if (quote_ == '\'') repairs_.insert(Repair::kSingleQuotes);
    begin_ = at_;
    while (at_ < text_.size()) {
      if (step()) return {finish(text_.substr(begin_, content_end_ - begin_)), at_};
    }
    return {std::nullopt, text_.size()};
  }

 private:
  // True where the string is closed: content_end_ and at_ are set then.
  bool step() {
    const char c = text_[at_];
    if (c == '\\') return backslashes();
    if (c == quote_ && escapes_ == 0) return quote(at_);
    if (c == '\n') return line_end();
    if (static_cast<unsigned char>(c) < 0x20) repairs_.insert(Repair::kControlInString);
    ++at_;
    return false;
  }

  bool backslashes() {
    if (escapes_ == 0) {
      at_ = std::min(at_ + 2, text_.size());
      return false;
    }
    const std::size_t begin = at_;
    at_ = skip_backslashes(text_, at_);
    const bool candidate = at_ - begin == escapes_ && at_ < text_.size() && text_[at_] == quote_;
    if (candidate) return quote(begin);
    if (at_ < text_.size()) ++at_;
    return false;
  }

  bool quote(std::size_t content_end) {
    ++at_;
    if (closes(text_, at_, role_)) {
      content_end_ = content_end;
      return true;
    }
    if (const auto comma = comma_before_key(content_end)) {
      content_end_ = *comma;
      at_ = content_end;
      repairs_.insert(Repair::kUnclosedString);
      return true;
    }
    repairs_.insert(Repair::kUnescapedQuote);
    return false;
  }

  // {"label": "a dog, "bbox": […]}: the closing quote was forgotten, and this one opens a key. Read
  // on, the string would swallow the next object's label and take its box.
  std::optional<std::size_t> comma_before_key(std::size_t quote) const {
    if (role_ != StringRole::kObjectValue || !is_quoted_key_at(text_, quote)) return std::nullopt;
    const std::size_t comma = quote > 0 && text_[quote - 1] == ' ' ? quote - 2 : quote - 1;
    if (comma <= begin_ || comma >= text_.size() || text_[comma] != ',') return std::nullopt;
    return comma;
  }

  // A line end inside a string is text, unless the next line starts with the next key: then the
  // closing quote was forgotten.
  bool line_end() {
    const std::size_t next = skip_spaces(text_, at_);
    if (role_ == StringRole::kObjectValue && is_quoted_key_at(text_, next)) {
      content_end_ = at_;
      if (content_end_ > 0 && text_[content_end_ - 1] == ',') --content_end_;
      repairs_.insert(Repair::kUnclosedString);
      return true;
    }
    repairs_.insert(Repair::kControlInString);
    at_ = next;  // the whole run, so that a page of line ends is scanned once
    return false;
  }

  std::string finish(std::string_view content) {
    std::string value(content);
    // One backslash before the quotes: escaped once more than usual; three: twice more.
    const int extra = escapes_ == 0 ? 0 : escapes_ == 1 ? 1 : 2;
    for (int i = 0; i <= extra; ++i) value = unescape(value, repairs_);
    return value;
  }

  std::string_view text_;
  StringRole role_;
  std::set<Repair>& repairs_;
  std::size_t begin_ = 0;  // of the content
  std::size_t at_ = 0;
  std::size_t escapes_ = 0;  // backslashes before each quote
  char quote_ = '"';
  std::size_t content_end_ = 0;
};

}  // namespace

bool starts_string(std::string_view text, std::size_t at) {
  if (at >= text.size()) return false;
  if (is_quote(text[at])) return true;
  constexpr std::size_t kMaxEscapes = 7;
  if (text[at] != '\\') return false;
  const std::string_view rest = text.substr(at, kMaxEscapes + 1);
  const std::size_t quote = rest.find_first_not_of('\\');
  return quote != std::string_view::npos && is_quote(rest[quote]);
}

StringOutcome read_string(std::string_view text, std::size_t begin, StringRole role,
                          std::set<Repair>& repairs) {
  return StringReader(text, begin, role, repairs).read();
}

}  // namespace alig::parse
