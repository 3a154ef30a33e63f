#include "auto_label_image_grounding/data/sample_name.h"

#include <algorithm>

#include <fmt/core.h>

#include "auto_label_image_grounding/base/hash.h"
#include "auto_label_image_grounding/base/text.h"

namespace alig {

std::string lexical_path(std::string_view path) {
  std::string out = path.substr(0, 1) == "/" ? "/" : "";
  for (std::size_t at = 0; at < path.size();) {
    const std::size_t end = std::min(path.find('/', at), path.size());
    const std::string_view part = path.substr(at, end - at);
    at = end + 1;
    if (part.empty() || part == ".") continue;
    if (!out.empty() && out.back() != '/') out += '/';
    out += part;
  }
  return out;
}

std::string sanitise_id(std::string_view image_id) {
  std::string out;
  for (const char32_t c : to_code_points(image_id)) {
    const bool kept = c == '.' || c == '_' || c == '-' || is_word_code_point(c);
    out += kept ? to_utf8(c) : "_";
  }
  if (out.empty() || out.front() == '.') out.insert(0, "_");
  constexpr std::size_t kMaxBytes = 120;
  if (out.size() <= kMaxBytes) return out;
  constexpr std::size_t kDigits = 16;
  std::size_t end = kMaxBytes - kDigits - 1;
  while ((static_cast<unsigned char>(out[end]) & 0xC0) == 0x80) --end;
  return out.substr(0, end) + "-" + sha256_hex(image_id).substr(0, kDigits);
}

bool same_image(const std::string& theirs, const std::string& ours) {
  if (theirs == ours) return true;
  return theirs.size() < ours.size() && !theirs.empty() && ours.ends_with("/" + theirs);
}

std::string sample_key(std::string_view image_path, std::string_view caption) {
  constexpr std::size_t kDigits = 16;
  return FieldHasher().add(lexical_path(image_path)).add(caption).hex().substr(0, kDigits);
}

std::string suffix_of(const SampleName& name) {
  return name.ordinal > 1 ? fmt::format("-{}-{}", name.key, name.ordinal) : "-" + name.key;
}

std::string checkpoint_name(const SampleName& name) {
  return name.shared ? name.sample_id + suffix_of(name) : name.sample_id;
}

}  // namespace alig
