#include "auto_label_image_grounding/http/redact.h"

#include <algorithm>
#include <cstddef>
#include <string_view>

#include "auto_label_image_grounding/base/text.h"

namespace alig {
namespace {

constexpr std::string_view kMask = "***";

// Lower case. What follows such a marker, up to the next separator, is treated as a key.
constexpr std::string_view kMarkers[] = {
    "key=",
    "token=",
    "secret=",
    "password=",
    "api-key:",
    "api_key:",
    "apikey:",
    "api-key\":",
    "api_key\":",
    "apikey\":",
    "api_key':",
    "bearer ",
    "authorization: basic ",
};

// Beginnings of keys that providers hand out, and how many key characters must follow.
constexpr std::string_view kKeyPrefixes[] = {"sk-", "AIza", "nvapi-", "hf_", "ya29.", "gsk_"};
constexpr std::size_t kMinKeyTail = 12;

bool is_ascii_alnum(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool is_key_character(char c) { return is_ascii_alnum(c) || c == '-' || c == '_' || c == '.'; }

bool ends_value(char c) {
  return static_cast<unsigned char>(c) <= ' ' ||
         std::string_view("\"'`&,;)]}<>").find(c) != std::string_view::npos;
}

// Longest first: a secret that begins another one must not leave the other's tail behind.
std::vector<std::string> forms_of(const std::vector<std::string>& secrets) {
  std::vector<std::string> forms;
  for (const std::string& secret : secrets) {
    const std::string_view trimmed = trim(secret);
    if (trimmed.empty()) continue;
    forms.push_back(secret);
    forms.emplace_back(trimmed);
    forms.push_back(percent_encode(trimmed));
    forms.push_back(percent_encode(trimmed, "", "0123456789abcdef"));
  }
  std::sort(forms.begin(), forms.end(), [](const std::string& a, const std::string& b) {
    return a.size() != b.size() ? a.size() > b.size() : a < b;
  });
  forms.erase(std::unique(forms.begin(), forms.end()), forms.end());
  return forms;
}

// What a cut left of a secret: bytes from `at` that begin like one and end where the text does, or
// where shorten() put its "…". A few characters tell nothing, and could be anything.
std::size_t cut_secret_length(std::string_view text, std::size_t at, std::string_view secret) {
  constexpr std::size_t kTelling = 4;
  constexpr std::string_view kCut = "…";
  const auto differ = std::mismatch(secret.begin(), secret.end(), text.begin() + at, text.end());
  const auto length = static_cast<std::size_t>(differ.first - secret.begin());
  const std::string_view rest = text.substr(at + length);
  const bool cut = rest.empty() || rest.substr(0, kCut.size()) == kCut;
  return cut && length >= std::min(kTelling, secret.size()) ? length : 0;
}

// The length of the secret, whole or cut, that begins at `at`; else 0.
std::size_t secret_length(std::string_view text, std::size_t at,
                          const std::vector<std::string>& forms) {
  for (const std::string& form : forms) {
    if (text.compare(at, form.size(), form) == 0) return form.size();
  }
  for (const std::string& form : forms) {
    if (const std::size_t length = cut_secret_length(text, at, form); length > 0) return length;
  }
  return 0;
}

// All secrets in one pass, so that no secret is looked for in the masks of another.
std::string mask_secrets(std::string_view text, const std::vector<std::string>& forms) {
  std::string masked;
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t secret = secret_length(text, at, forms);
    if (secret == 0) {
      masked += text[at++];
    } else {
      masked += kMask;
      at += secret;
    }
  }
  return masked;
}

// The length of the marker at `at`, including the blanks and quotes after it; else 0.
std::size_t marker_length(std::string_view lower, std::size_t at) {
  if (at > 0 && is_ascii_alnum(lower[at - 1])) return 0;  // "monkey="
  for (const std::string_view marker : kMarkers) {
    if (lower.substr(at, marker.size()) != marker) continue;
    std::size_t end = at + marker.size();
    while (end < lower.size() &&
           std::string_view(" \"'`").find(lower[end]) != std::string_view::npos) {
      ++end;
    }
    return end - at;
  }
  return 0;
}

std::size_t known_key_length(std::string_view text, std::size_t at) {
  if (at > 0 && is_key_character(text[at - 1])) return 0;
  for (const std::string_view prefix : kKeyPrefixes) {
    if (text.substr(at, prefix.size()) != prefix) continue;
    std::size_t end = at + prefix.size();
    while (end < text.size() && is_key_character(text[end])) ++end;
    if (end - at >= prefix.size() + kMinKeyTail) return end - at;
  }
  return 0;
}

// "user:password@" of a URL whose "://" ends at `at`.
std::size_t credentials_length(std::string_view text, std::size_t at) {
  if (!text.substr(0, at).ends_with("://")) return 0;
  const std::string_view authority =
      text.substr(at, text.find_first_of("/?# \t\r\n\"'<>", at) - at);
  const std::size_t end = authority.rfind('@');
  return end == authority.npos ? 0 : end;
}

std::string mask_patterns(std::string_view text) {
  const std::string lower = ascii_lower(text);
  std::string masked;
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t hidden = std::max(known_key_length(text, at), credentials_length(text, at));
    if (hidden > 0) {
      masked += kMask;
      at += hidden;
      continue;
    }
    const std::size_t marker = marker_length(lower, at);
    if (marker == 0) {
      masked += text[at++];
      continue;
    }
    masked.append(text, at, marker);
    at += marker;
    const std::size_t begin = at;
    while (at < text.size() && !ends_value(text[at])) ++at;
    if (at > begin) masked += kMask;
  }
  return masked;
}

}  // namespace

std::string redact(std::string_view text, const std::vector<std::string>& secrets) {
  const std::vector<std::string> forms = forms_of(secrets);
  return forms.empty() ? mask_patterns(text) : mask_patterns(mask_secrets(text, forms));
}

}  // namespace alig
