// Plain declines: "There are none.", "No object detected."
#include <algorithm>
#include <array>
#include <string>

#include "auto_label_image_grounding/base/text.h"
#include "auto_label_image_grounding/parse/grounding_text.h"

namespace alig::parse {
namespace {

constexpr std::size_t kMaxDeclineBytes = 300;

// Typographic apostrophes become plain ones; white space becomes single blanks.
std::string simplified(std::string_view text) {
  std::string out;
  const std::string lower = ascii_lower(trim(text));
  for (std::size_t i = 0; i < lower.size();) {
    const bool curly = lower.compare(i, 3, "’") == 0;
    const char c = curly ? '\'' : lower[i];
    i += curly ? 3 : 1;
    const bool blank = c == ' ' || (c >= '\t' && c <= '\r');
    if (c == '*' || c == '`' || c == '"') continue;
    if (blank && (out.empty() || out.back() == ' ')) continue;
    out += blank ? ' ' : c;
  }
  return out;
}

bool starts_with(std::string_view text, std::string_view prefix) {
  return text.substr(0, prefix.size()) == prefix;
}
template <typename List>
bool contains_any(std::string_view text, const List& parts) {
  return std::any_of(std::begin(parts), std::end(parts), [&](std::string_view part) {
    return text.find(part) != std::string_view::npos;
  });
}
template <typename List>
std::size_t longest_prefix(std::string_view text, const List& prefixes) {
  std::size_t best = 0;
  for (const std::string_view prefix : prefixes) {
    if (starts_with(text, prefix)) best = std::max(best, prefix.size());
  }
  return best;
}

// "I can't see any image", "No image was provided": the model saw nothing.
bool speaks_of_a_missing_image(std::string_view rest) {
  static constexpr std::array<std::string_view, 6> kArticles = {"the ", "an ",   "any ",
                                                                "a ",   "your ", "this "};
  static constexpr std::array<std::string_view, 6> kImageWords = {"image",  "picture",    "photo",
                                                                  "visual", "attachment", "file"};
  rest = rest.substr(std::min(rest.find_first_not_of(' '), rest.size()));
  rest.remove_prefix(longest_prefix(rest, kArticles));
  return longest_prefix(rest, kImageWords) > 0;
}

// One sentence, in lower case.
bool denies(std::string_view sentence) {
  static constexpr std::array<std::string_view, 9> kThereIsNo = {
      "there are no ",    "there is no ",       "there are none",
      "there is none",    "there's no ",        "there aren't any ",
      "there isn't any ", "there are not any ", "there is not any "};
  static constexpr std::array<std::string_view, 12> kCannotSee = {
      "i cannot ",  "i can't ",  "i could not ", "i couldn't ", "i do not ",  "i don't ",
      "i did not ", "i didn't ", "unable to ",   "cannot ",     "could not ", "i am unable to "};
  static constexpr std::array<std::string_view, 6> kSee = {"see ",    "find ",     "detect ",
                                                           "locate ", "identify ", "spot "};
  static constexpr std::array<std::string_view, 16> kIsNot = {
      " is not visible", " are not visible", " is not present",  " are not present",
      " is not in ",     " are not in ",     " isn't visible",   " aren't visible",
      " is not shown",   " are not shown",   " was not found",   " were not found",
      " not detected",   " isn't present",   " does not appear", " do not appear"};
  static constexpr std::array<std::string_view, 6> kNone = {
      "none of ", "nothing ", "not found", "not visible", "not present", "no instances"};
  if (says_none(sentence)) return true;
  if (const std::size_t used = longest_prefix(sentence, kThereIsNo)) {
    return !speaks_of_a_missing_image(sentence.substr(used));
  }
  if (const std::size_t used = longest_prefix(sentence, kCannotSee)) {
    const std::size_t verb = longest_prefix(sentence.substr(used), kSee);
    return verb > 0 && !speaks_of_a_missing_image(sentence.substr(used + verb));
  }
  if (starts_with(sentence, "no ")) {
    static constexpr std::array<std::string_view, 9> kMissing = {
        "detected",      "found",          "visible",         "present", "in the image",
        "in this image", "in the picture", "in this picture", "match"};
    return contains_any(sentence, kMissing) && !speaks_of_a_missing_image(sentence.substr(3));
  }
  if (contains_any(sentence, kIsNot)) return !speaks_of_a_missing_image(sentence);
  return longest_prefix(sentence, kNone) > 0;
}

}  // namespace

bool is_decline(std::string_view text) {
  if (text.size() > kMaxDeclineBytes) return false;
  const std::string whole = simplified(text);
  static constexpr std::array<std::string_view, 6> kTurns = {"however", " but ",   "although",
                                                             "instead", " except", " help"};
  // Numbers could be boxes in an unknown shape.
  if (whole.empty() || contains_any(whole, kTurns)) return false;
  if (whole.find_first_of("0123456789{}[]<>") != std::string::npos) return false;
  std::string_view rest = whole;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find_first_of(".!\n"), rest.size());
    const std::string_view sentence = trim(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (!sentence.empty() && !denies(sentence)) return false;
  }
  return true;
}

}  // namespace alig::parse
