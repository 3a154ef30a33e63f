// The demo teacher's few rules of English: noun phrases of a caption, and what a phrase refers to.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "eyes.h"

namespace demo {

struct Phrase {
  std::string text;
  std::size_t begin = 0, end = 0;  // code points of the cleaned caption, half-open
  std::string head;                // its last word
};

// Single spaces, none before punctuation.
std::string clean_caption(const std::string& caption);

// Runs of words between prepositions, verbs and conjunctions that hold a noun.
std::vector<Phrase> noun_phrases(const std::string& cleaned_caption);

// Which sightings a phrase refers to: by kind and colour; "small" and "large" choose one of
// several.
std::vector<Sighting> matching(const std::string& phrase, const std::vector<Sighting>& seen);

}  // namespace demo
