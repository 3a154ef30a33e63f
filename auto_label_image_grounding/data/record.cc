#include "auto_label_image_grounding/data/record.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "auto_label_image_grounding/base/json_text.h"

namespace alig {
namespace {

using nlohmann::json;

// By byte: whether a JSON string holds it unescaped.
constexpr auto kPlainInJson = [] {
  std::array<bool, 256> plain{};
  for (std::size_t c = 0x20; c < 0x7F; ++c) plain[c] = c != '"' && c != '\\';
  return plain;
}();
bool is_plain_in_json(char c) { return kPlainInJson[static_cast<unsigned char>(c)]; }

// Walks over JSON text that a real parser has accepted already: so it needs no error handling.
class RawScanner {
 public:
  explicit RawScanner(std::string_view text) : text_(text) {}

  void skip_space() {
    while (at_ < text_.size() && std::string_view(" \t\r\n").find(text_[at_]) != text_.npos) ++at_;
  }
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  void skip(char expected) {
    skip_space();
    if (peek() == expected) ++at_;
  }
  // The text of the value that starts here; leaves the position after it.
  std::string_view take_value() {
    skip_space();
    const std::size_t begin = at_;
    int depth = 0;
    do {
      const char c = peek();
      if (c == '"') {
        skip_string();
      } else if (c == '{' || c == '[') {
        ++depth, ++at_;
      } else if (c == '}' || c == ']') {
        --depth, ++at_;
      } else if (depth > 0) {
        ++at_;
      } else {
        skip_scalar();
      }
    } while (depth > 0 && at_ < text_.size());
    return text_.substr(begin, at_ - begin);
  }

 private:
  void skip_string() {
    for (++at_; at_ < text_.size() && text_[at_] != '"'; ++at_) {
      if (text_[at_] == '\\') ++at_;
    }
    ++at_;
  }
  void skip_scalar() { at_ = std::min(text_.find_first_of(",]} \t\r\n", at_), text_.size()); }

  std::string_view text_;
  std::size_t at_ = 0;
};

std::string reason_of_parse_error(std::string_view line) {
  const std::string what = json_complaint(line);
  if (what.empty()) return "not a JSON object";
  const std::size_t prefix = what.find("] ");
  return "not valid JSON: " + (prefix == what.npos ? what : what.substr(prefix + 2));
}

}  // namespace

Result<Record> Record::parse(std::string_view line) {
  // The parser takes a NUL for the end and would silently drop what follows it.
  if (const std::size_t nul = line.find('\0'); nul != line.npos) {
    return fail(ErrorKind::kData, fmt::format("not valid JSON: a NUL byte at column {}", nul + 1));
  }
  RawScanner scanner(line);
  scanner.skip_space();
  if (scanner.peek() != '{' || !is_json(line)) {
    return fail(ErrorKind::kData, reason_of_parse_error(line));
  }
  Record record;
  scanner.skip('{');
  scanner.skip_space();
  while (scanner.peek() != '}') {
    Field field;
    field.raw_key = scanner.take_value();
    field.key = parse_json(field.raw_key).get<std::string>();
    scanner.skip(':');
    field.raw_value = scanner.take_value();
    record.fields_.push_back(std::move(field));
    scanner.skip(',');
    scanner.skip_space();
  }
  return record;
}

const std::string* Record::raw(std::string_view key) const {
  const auto found = std::find_if(fields_.rbegin(), fields_.rend(),
                                  [&](const Field& field) { return field.key == key; });
  return found == fields_.rend() ? nullptr : &found->raw_value;
}

json Record::value(std::string_view key) const {
  const std::string* text = raw(key);
  return text == nullptr ? json() : parse_json(*text);
}

std::string Record::text(std::string_view key) const {
  const json decoded = value(key);
  return decoded.is_string() ? decoded.get<std::string>() : "";
}

void Record::set(std::string_view key, std::string raw_value) {
  const auto found = std::find_if(fields_.rbegin(), fields_.rend(),
                                  [&](const Field& field) { return field.key == key; });
  if (found != fields_.rend()) {
    found->raw_value = std::move(raw_value);
    return;
  }
  fields_.push_back({std::string(key), json_string(key), std::move(raw_value)});
}

void Record::set_string(std::string_view key, std::string_view text) {
  set(key, json_string(text));
}

void Record::erase(std::string_view key) {
  std::erase_if(fields_, [&](const Field& field) { return field.key == key; });
}

std::string Record::dump() const {
  std::string out = "{";
  for (const Field& field : fields_) {
    if (out.size() > 1) out += ", ";
    out += field.raw_key;
    out += ": ";
    out += field.raw_value;
  }
  return out + "}";
}

// What needs no escape is copied: a prompt is kilobytes of it, and the serializer looks at each
// byte.
std::string json_string(std::string_view text) {
  std::string out = "\"";
  const auto end_of_run = [&](std::size_t from, auto belongs) {
    while (from < text.size() && belongs(text[from])) ++from;
    return from;
  };
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t plain_end = end_of_run(at, is_plain_in_json);
    out.append(text, at, plain_end - at);
    at = plain_end;
    if (at == text.size()) break;
    if (text[at] == '\n') {
      out += "\\n";
      ++at;
    } else if (text[at] == '"' || text[at] == '\\') {
      (out += '\\') += text[at++];
    } else {  // whole characters: a run ends at an ASCII one
      const std::size_t end = end_of_run(at, [](char c) { return !is_plain_in_json(c); });
      const std::string escaped = json_text(json(text.substr(at, end - at)));
      out.append(escaped, 1, escaped.size() - 2);
      at = end;
    }
  }
  out += '"';
  return out;
}

std::vector<std::string> split_raw_array(std::string_view raw) {
  std::vector<std::string> out;
  RawScanner scanner(raw);
  scanner.skip('[');
  scanner.skip_space();
  while (scanner.peek() != ']' && scanner.peek() != '\0') {
    out.emplace_back(scanner.take_value());
    scanner.skip(',');
    scanner.skip_space();
  }
  return out;
}

}  // namespace alig
