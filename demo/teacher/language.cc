#include "language.h"

#include <algorithm>
#include <map>
#include <set>

#include "auto_label_image_grounding/base/text.h"

namespace demo {
namespace {

struct Word {
  std::string text;  // without punctuation
  std::string lower;
  std::size_t begin = 0, end = 0;  // bytes of the caption
  bool comma = false;              // punctuation follows
};

bool is_punctuation(char c) {
  return std::string_view(",.;:!?\"()").find(c) != std::string_view::npos;
}

std::vector<Word> words_of(const std::string& text) {
  std::vector<Word> words;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find(' ', at), text.size());
    std::size_t first = at, last = end;
    while (first < last && is_punctuation(text[first])) ++first;
    while (last > first && is_punctuation(text[last - 1])) --last;
    if (last > first) {
      const std::string word = text.substr(first, last - first);
      words.push_back({word, alig::ascii_lower(word), first, last, last < end});
    }
    at = end + 1;
  }
  return words;
}

bool is_determiner(const std::string& word) {
  static const std::set<std::string> kWords = {
      "a",     "an",    "the",   "his",   "her",     "its",  "their",   "my",
      "our",   "your",  "some",  "two",   "three",   "four", "five",    "six",
      "seven", "eight", "nine",  "ten",   "several", "many", "another", "each",
      "this",  "that",  "these", "those", "one",     "both", "all",     "few"};
  return kWords.contains(word);
}

bool is_noun_in_ing(const std::string& word) {
  static const std::set<std::string> kWords = {
      "building", "painting", "ceiling", "clothing", "wing",     "ring",    "king",  "string",
      "swing",    "evening",  "morning", "drawing",  "railing",  "awning",  "thing", "spring",
      "wedding",  "parking",  "dining",  "living",   "swimming", "striking"};
  return kWords.contains(word);
}

bool breaks_phrase(const std::string& word) {
  static const std::set<std::string> kWords = {
      // prepositions, conjunctions, pronouns, adverbs
      "of", "in", "on", "at", "with", "without", "by", "from", "to", "near", "under", "over",
      "behind", "beside", "next", "above", "below", "between", "inside", "outside", "around",
      "against", "along", "across", "through", "for", "into", "onto", "up", "down", "off", "out",
      "and", "or", "but", "while", "as", "who", "which", "where", "when", "it", "he", "she", "they",
      "there", "together", "away", "toward", "towards", "front", "top", "it's", "not", "very",
      "them", "than", "about", "like", "during",
      // verbs
      "is", "are", "was", "were", "be", "been", "being", "has", "have", "had", "does", "do", "can",
      "runs", "run", "walks", "walk", "stands", "stand", "sits", "sit", "plays", "play", "jumps",
      "jump", "looks", "look", "holds", "hold", "rides", "ride", "shows", "show", "wears", "wear",
      "puts", "put", "goes", "go", "lies", "lie", "talks", "talk", "dressed", "parked", "tied",
      "carved", "covered", "taken", "made", "set", "filled", "surrounded", "seen", "wearing"};
  if (kWords.contains(word)) return true;
  constexpr std::size_t kShortest = 5;
  return word.size() >= kShortest && word.ends_with("ing") && !is_noun_in_ing(word);
}

Phrase make_phrase(const std::string& caption, const std::vector<Word>& words) {
  Phrase phrase;
  const std::size_t begin = words.front().begin;
  const std::size_t end = words.back().end;
  phrase.text = caption.substr(begin, end - begin);
  phrase.begin = alig::count_code_points(std::string_view(caption).substr(0, begin));
  phrase.end = phrase.begin + alig::count_code_points(phrase.text);
  phrase.head = words.back().text;
  return phrase;
}

std::string singular(const std::string& word) {
  static const std::map<std::string, std::string> kIrregular = {
      {"people", "person"},  {"men", "man"},        {"women", "woman"},
      {"children", "child"}, {"persons", "person"}, {"boxes", "box"}};
  if (const auto found = kIrregular.find(word); found != kIrregular.end()) return found->second;
  return word.size() > 3 && word.back() == 's' ? word.substr(0, word.size() - 1) : word;
}

// The kind of sighting that a noun names; "" for what the teacher cannot see.
std::string kind_of(const std::string& noun) {
  static const std::set<std::string> kPeople = {
      "person",       "man",    "woman",      "boy",    "girl",   "child", "player",
      "skateboarder", "human",  "adult",      "lady",   "guy",    "kid",   "rider",
      "skater",       "surfer", "individual", "worker", "toddler"};
  static const std::set<std::string> kShapes = {"circle", "square", "rectangle", "triangle",
                                                "star"};
  if (kPeople.contains(noun)) return "person";
  if (kShapes.contains(noun)) return noun;
  if (noun == "disc" || noun == "dot") return "circle";
  if (noun == "face" || noun == "portrait") return "face";
  if (noun == "cat" || noun == "kitten") return "cat";
  return noun == "shape" ? "shape" : "";
}

bool is_colour(const std::string& word) {
  static const std::set<std::string> kColours = {"red",    "green", "blue", "yellow", "orange",
                                                 "purple", "pink",  "cyan", "black",  "brown"};
  return kColours.contains(word);
}

}  // namespace

std::string clean_caption(const std::string& caption) {
  std::string out;
  for (const char c : caption) {
    const bool space = c == ' ' || c == '\t' || c == '\n' || c == '\r';
    if (space && (out.empty() || out.back() == ' ')) continue;
    const bool closes = std::string_view(",.;:!?").find(c) != std::string_view::npos;
    if (closes && !out.empty() && out.back() == ' ') out.pop_back();
    out += space ? ' ' : c;
  }
  return std::string(alig::trim(out));
}

std::vector<Phrase> noun_phrases(const std::string& cleaned_caption) {
  std::vector<Phrase> phrases;
  std::vector<Word> run;
  const auto close = [&] {
    const bool has_noun =
        std::any_of(run.begin(), run.end(), [](const Word& w) { return !is_determiner(w.lower); });
    if (has_noun) phrases.push_back(make_phrase(cleaned_caption, run));
    run.clear();
  };
  for (const Word& word : words_of(cleaned_caption)) {
    if (breaks_phrase(word.lower)) {
      close();
      continue;
    }
    if (is_determiner(word.lower) && !run.empty()) close();
    run.push_back(word);
    if (word.comma) close();
  }
  close();
  return phrases;
}

std::vector<Sighting> matching(const std::string& phrase, const std::vector<Sighting>& seen) {
  std::string kind, colour;
  bool smallest = false, largest = false;
  for (const Word& word : words_of(phrase)) {
    const std::string noun = singular(word.lower);
    if (is_colour(word.lower)) colour = word.lower;
    // The first noun is what the phrase is about: "a man in front of a cat".
    if (kind.empty()) kind = kind_of(noun);
    smallest |= word.lower == "small" || word.lower == "smallest";
    largest |= word.lower == "large" || word.lower == "largest" || word.lower == "big";
  }
  std::vector<Sighting> out;
  if (kind.empty()) return out;
  for (const Sighting& sighting : seen) {
    const bool same_kind = kind == sighting.kind || (kind == "shape" && !sighting.colour.empty());
    const bool same_colour = colour.empty() || sighting.colour.empty() || colour == sighting.colour;
    if (same_kind && same_colour) out.push_back(sighting);
  }
  const auto by_area = [](const Sighting& a, const Sighting& b) {
    return a.box.area() < b.box.area();
  };
  if (out.size() > 1 && smallest != largest) {
    const auto chosen = smallest ? std::min_element(out.begin(), out.end(), by_area)
                                 : std::max_element(out.begin(), out.end(), by_area);
    return {*chosen};
  }
  return out;
}

}  // namespace demo
