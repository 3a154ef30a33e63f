#include "auto_label_image_grounding/base/text.h"

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <numeric>

#include <fmt/core.h>
#include <utf8proc.h>

namespace alig {
namespace {

constexpr char32_t kReplacement = 0xFFFD;

// Decodes one code point at `offset`; returns the number of bytes used, 0 where they are invalid.
std::size_t decode_at(std::string_view text, std::size_t offset, char32_t& code_point) {
  utf8proc_int32_t value = -1;
  const utf8proc_ssize_t used =
      utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()) + offset,
                       static_cast<utf8proc_ssize_t>(text.size() - offset), &value);
  if (used <= 0 || value < 0) return 0;
  code_point = static_cast<char32_t>(value);
  return static_cast<std::size_t>(used);
}

template <typename Visit>
void for_each_code_point(std::string_view text, Visit visit) {
  for (std::size_t offset = 0; offset < text.size();) {
    char32_t code_point = kReplacement;
    const std::size_t used = decode_at(text, offset, code_point);
    visit(used == 0 ? kReplacement : code_point, offset, std::max<std::size_t>(used, 1));
    offset += std::max<std::size_t>(used, 1);
  }
}

}  // namespace

bool is_valid_utf8(std::string_view text) {
  for (std::size_t offset = 0; offset < text.size();) {
    if (static_cast<unsigned char>(text[offset]) < 0x80) {
      ++offset;
      continue;
    }
    char32_t ignored = 0;
    const std::size_t used = decode_at(text, offset, ignored);
    if (used == 0) return false;
    offset += used;
  }
  return true;
}

std::string scrub_utf8(std::string_view text) {
  if (is_valid_utf8(text)) return std::string(text);
  return to_utf8(to_code_points(text));
}

std::vector<char32_t> to_code_points(std::string_view text) {
  std::vector<char32_t> out;
  out.reserve(text.size());
  for_each_code_point(text, [&](char32_t c, std::size_t, std::size_t) { out.push_back(c); });
  return out;
}

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

std::string to_utf8(char32_t code_point) {
  utf8proc_uint8_t buffer[4];
  const utf8proc_ssize_t used =
      utf8proc_encode_char(static_cast<utf8proc_int32_t>(code_point), buffer);
  return {reinterpret_cast<char*>(buffer), static_cast<std::size_t>(used)};
}

std::string to_utf8(const std::vector<char32_t>& code_points) {
  std::string out;
  out.reserve(code_points.size());
  for (const char32_t c : code_points) out += to_utf8(c);
  return out;
}

std::size_t count_code_points(std::string_view text) {
  std::size_t count = 0;
  for_each_code_point(text, [&](char32_t, std::size_t, std::size_t) { ++count; });
  return count;
}

char32_t lower_code_point(char32_t c) {
  constexpr char32_t kCapitalIWithDot = 0x130;
  if (c == kCapitalIWithDot) return c;
  return static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c)));
}

std::vector<char32_t> lower_code_points(std::vector<char32_t> text) {
  std::transform(text.begin(), text.end(), text.begin(), lower_code_point);
  return text;
}

std::string fold_for_comparison(std::string_view text) {
  if (is_ascii(text)) return ascii_lower(text);  // the same, at a fraction of the cost
  std::string clean = scrub_utf8(text);
  utf8proc_uint8_t* folded = nullptr;
  const utf8proc_ssize_t length =
      utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(clean.data()),
                   static_cast<utf8proc_ssize_t>(clean.size()), &folded,
                   static_cast<utf8proc_option_t>(UTF8PROC_COMPOSE | UTF8PROC_COMPAT |
                                                  UTF8PROC_CASEFOLD | UTF8PROC_STABLE));
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owner(folded, &std::free);
  if (length < 0) return clean;
  return {reinterpret_cast<char*>(folded), static_cast<std::size_t>(length)};
}

bool is_space_code_point(char32_t c) {
  if (c < 0x80) return c == ' ' || (c >= '\t' && c <= '\r');
  const auto category = utf8proc_category(static_cast<utf8proc_int32_t>(c));
  return category == UTF8PROC_CATEGORY_ZS || category == UTF8PROC_CATEGORY_ZL ||
         category == UTF8PROC_CATEGORY_ZP || c == 0x85;
}

bool is_word_code_point(char32_t c) {
  const auto category = utf8proc_category(static_cast<utf8proc_int32_t>(c));
  return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_NO;
}

std::vector<bool> character_starts(const std::vector<char32_t>& text) {
  std::vector<bool> out(text.size(), true);
  utf8proc_int32_t state = 0;
  for (std::size_t i = 1; i < text.size(); ++i) {
    out[i] = utf8proc_grapheme_break_stateful(static_cast<utf8proc_int32_t>(text[i - 1]),
                                              static_cast<utf8proc_int32_t>(text[i]), &state);
  }
  return out;
}

std::string_view trim(std::string_view text) {
  constexpr std::string_view kAsciiSpaces = " \t\n\v\f\r";
  const std::size_t first = text.find_first_not_of(kAsciiSpaces);
  if (first == text.npos) return {};
  text = text.substr(first, text.find_last_not_of(kAsciiSpaces) + 1 - first);
  if (is_ascii(text.substr(0, 1)) && is_ascii(text.substr(text.size() - 1))) return text;
  std::size_t begin = text.size();
  std::size_t end = 0;
  for_each_code_point(text, [&](char32_t c, std::size_t offset, std::size_t length) {
    if (is_space_code_point(c)) return;
    begin = std::min(begin, offset);
    end = offset + length;
  });
  return begin >= end ? std::string_view() : text.substr(begin, end - begin);
}

std::string ascii_lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

bool starts_with_ignoring_case(std::string_view text, std::string_view ascii_prefix) {
  return text.size() >= ascii_prefix.size() &&
         ascii_lower(text.substr(0, ascii_prefix.size())) == ascii_lower(ascii_prefix);
}

std::string percent_encode(std::string_view text, std::string_view plain_too,
                           const char* hex_digits) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       std::string_view("-._~").find(c) != std::string_view::npos ||
                       plain_too.find(c) != std::string_view::npos;
    const auto byte = static_cast<unsigned char>(c);
    if (plain) {
      out += c;
    } else {
      out += {'%', hex_digits[byte >> 4], hex_digits[byte & 15]};
    }
  }
  return out;
}

std::string without_full_stop(std::string text) {
  while (!text.empty() && text.back() == '.') text.pop_back();
  return text;
}

std::string shorten(std::string_view text, std::size_t max_bytes) {
  if (text.size() <= max_bytes) return std::string(text);
  std::size_t end = max_bytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return std::string(text.substr(0, end)) + "…";
}

bool nests_deeper_than(std::string_view json, std::size_t depth) {
  std::size_t open = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      if (++open > depth) return true;
    } else if ((c == '}' || c == ']') && open > 0) {
      --open;
    }
  }
  return false;
}

std::string count_of(std::int64_t count, std::string_view noun) {
  std::string out = fmt::format("{} {}", count, noun);
  if (count == 1 || noun.empty()) return out;
  const bool vowel_before =
      noun.size() > 1 && std::string_view("aeiou").find(noun[noun.size() - 2]) != noun.npos;
  if (noun.back() == 'y' && !vowel_before) return out.replace(out.size() - 1, 1, "ies");
  const bool hisses = noun.back() == 'x' || noun.back() == 's' || noun.ends_with("ch");
  return out + (hisses ? "es" : "s");
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t substituted = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substituted});
    }
  }
  return row[b.size()];
}

std::string closest_word(std::string_view word, const std::vector<std::string_view>& known,
                         std::size_t limit) {
  std::string_view best;
  std::size_t best_distance = limit;
  for (const std::string_view candidate : known) {
    const std::size_t distance = edit_distance(word, candidate);
    if (distance >= best_distance) continue;
    best_distance = distance;
    best = candidate;
  }
  return std::string(best);
}

}  // namespace alig
