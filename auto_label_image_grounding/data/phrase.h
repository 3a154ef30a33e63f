// Normalised forms of a text for comparing phrases, from the strictest to the loosest. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace alig {

// Texts with the same key are one question to a model: letter case, Unicode form and surrounding
// white space do not matter ("A dog" at the start of one caption, "a dog" within another).
std::string grouping_key(std::string_view text);

// The words, normalised in case and Unicode form, without punctuation, each followed by a space.
std::string word_form(std::string_view text);

// word_form() without a leading article: phrases with equal results mean the same to a person. For
// comparison only.
std::string normalized_phrase(std::string_view phrase);

// The words of word_form(), in order.
std::vector<std::string> words_of(std::string_view text);

bool is_article(std::string_view word);  // in lower case

}  // namespace alig
