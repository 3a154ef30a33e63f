#include "auto_label_image_grounding/data/phrase.h"

#include <utility>

#include "auto_label_image_grounding/base/text.h"

namespace alig {
namespace {

std::string join(const std::vector<std::string>& words, std::size_t from) {
  std::string out;
  for (std::size_t i = from; i < words.size(); ++i) out += words[i] + " ";
  return out;
}

}  // namespace

std::string grouping_key(std::string_view text) { return fold_for_comparison(trim(text)); }

std::string word_form(std::string_view text) { return join(words_of(text), 0); }

std::string normalized_phrase(std::string_view phrase) {
  const std::vector<std::string> words = words_of(phrase);
  return join(words, words.size() > 1 && is_article(words[0]) ? 1 : 0);
}

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  for (const char32_t c : to_code_points(fold_for_comparison(text))) {
    if (is_word_code_point(c)) {
      word += to_utf8(c);
    } else if (!word.empty()) {
      words.push_back(std::exchange(word, {}));
    }
  }
  if (!word.empty()) words.push_back(word);
  return words;
}

bool is_article(std::string_view word) { return word == "a" || word == "an" || word == "the"; }

}  // namespace alig
