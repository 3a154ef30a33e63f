#include "auto_label_image_grounding/run/spec_secrets.h"

#include <algorithm>
#include <string_view>

#include <nlohmann/json.hpp>

#include "auto_label_image_grounding/base/text.h"

namespace alig {
namespace {

using Json = nlohmann::ordered_json;

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::string letters_of(std::string_view name) {
  std::string letters = ascii_lower(name);
  std::erase_if(letters, [](char c) { return !is_letter(c); });
  return letters;
}

bool tells(std::string_view name) {
  const std::string letters = letters_of(name);
  return std::ranges::any_of(
      std::initializer_list<std::string_view>{"apikey", "secret", "passw", "accesstoken",
                                              "authorization", "bearer", "credential", "cookie"},
      [&](std::string_view word) { return letters.find(word) != letters.npos; });
}

bool suggests(std::string_view name) {
  const std::string letters = letters_of(name);
  return std::ranges::any_of(
      std::initializer_list<std::string_view>{"key", "token", "auth", "signature"},
      [&](std::string_view word) { return letters.ends_with(word); });
}

bool looks_like_a_key(std::string_view text) {
  constexpr std::size_t kShortest = 8;
  return text.size() >= kShortest && std::ranges::any_of(text, is_letter) &&
         std::ranges::any_of(text, is_digit);
}

// A shorter word would hide parts of every message.
constexpr std::size_t kShortestTold = 4;

void collect(const Json& node, bool told, bool suggested, std::vector<std::string>& out) {
  if (node.is_structured()) {
    for (const auto& [name, value] : node.items()) {
      const bool named = node.is_object();
      collect(value, told || (named && tells(name)), suggested || (named && suggests(name)), out);
    }
  } else if (node.is_string()) {
    const auto& text = node.get_ref<const std::string&>();
    if ((told && text.size() >= kShortestTold) || (suggested && looks_like_a_key(text))) {
      out.push_back(text);
    }
  }
}

// A value, and what follows a scheme of authentication ("Bearer …"): a server may repeat that
// alone.
void collect_header(const std::string& value, std::vector<std::string>& out) {
  constexpr std::size_t kShortest = 3;  // a version number would take "HTTP 401" apart
  const std::string_view text = trim(value);
  if (text.size() < kShortest) return;
  out.emplace_back(text);
  const std::string_view last = text.substr(text.rfind(' ') + 1);
  if (last.size() < text.size() && last.size() >= kShortestTold) out.emplace_back(last);
}

}  // namespace

std::vector<std::string> secrets_of(const Spec& spec) {
  std::vector<std::string> out;
  for (const std::string& key : {spec.vlm.gemini.api_key, spec.vlm.openai.api_key}) {
    if (!key.empty()) out.push_back(key);
  }
  for (const auto& [name, value] : spec.vlm.openai.extra_headers) collect_header(value, out);
  if (spec.vlm.openai.extra_body) collect(*spec.vlm.openai.extra_body, false, false, out);
  return out;
}

}  // namespace alig
