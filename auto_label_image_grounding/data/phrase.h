// Phrases compared: a text's forms, from the strictest to the loosest. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace alig {

// Texts with the same key are one question to a model: letter case, Unicode forms and white space
// around do not matter ("A dog" at the beginning of one caption, "a dog" within another).
std::string grouping_key(std::string_view text);

// The words, without letter case, Unicode form and punctuation, each with a blank behind it.
std::string word_form(std::string_view text);

// word_form() without a leading article: two phrases with the same one mean the same to people.
// For comparing alone.
std::string normalized_phrase(std::string_view phrase);

// The words of word_form(), in order.
std::vector<std::string> words_of(std::string_view text);

bool is_article(std::string_view word);  // in lower case

}  // namespace alig
