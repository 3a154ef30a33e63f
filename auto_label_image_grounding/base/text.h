// UTF-8 text: validation, code points, case, trimming. All functions are pure.
//
// Positions in the output (char_span) count Unicode code points, as Python's str does; positions
// inside the program count bytes. Names say which one is meant.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace alig {

bool is_valid_utf8(std::string_view text);

// Replaces each invalid sequence with U+FFFD.
std::string scrub_utf8(std::string_view text);

// Decodes valid UTF-8; invalid bytes become U+FFFD.
std::vector<char32_t> to_code_points(std::string_view text);
std::string to_utf8(const std::vector<char32_t>& code_points);
std::string to_utf8(char32_t code_point);
std::size_t count_code_points(std::string_view text);

// One-to-one lower case: the length in code points never changes, so spans stay valid.
// U+0130 is left alone (Python lowers it to two code points).
char32_t lower_code_point(char32_t c);
std::vector<char32_t> lower_code_points(std::vector<char32_t> text);

bool is_ascii(std::string_view text);
// Unicode NFKC with case folding, to compare what a person would call the same words.
std::string fold_for_comparison(std::string_view text);

bool is_space_code_point(char32_t c);
// A letter, mark or number of any script.
bool is_word_code_point(char32_t c);
// For each code point, whether a user-perceived character starts there: not at a combining mark,
// inside an emoji sequence, or at the second half of a flag.
std::vector<bool> character_starts(const std::vector<char32_t>& text);

// Without leading and trailing white space (Unicode).
std::string_view trim(std::string_view text);
bool starts_with_ignoring_case(std::string_view text, std::string_view ascii_prefix);
std::string ascii_lower(std::string_view text);

// RFC 3986: all bytes but ASCII letters, digits, "-._~" and those in `plain_too`.
std::string percent_encode(std::string_view text, std::string_view plain_too = "",
                           const char* hex_digits = "0123456789ABCDEF");

// A sentence that others can follow within its own.
std::string without_full_stop(std::string text);

// At most max_bytes, cut at a code-point boundary, with "…" appended if something was cut.
std::string shorten(std::string_view text, std::size_t max_bytes);

// Whether brackets and braces outside strings nest deeper than `depth`, in JSON or what claims to
// be. To be checked before parsing external input: copying and destroying a document recurse.
bool nests_deeper_than(std::string_view json, std::size_t depth);

// "1 record", "2 records", "0 boxes", "3 retries". `noun`: a regular English one.
std::string count_of(std::int64_t count, std::string_view noun);

// Levenshtein distance in bytes; for "did you mean".
std::size_t edit_distance(std::string_view a, std::string_view b);
// The one of `known` that was probably meant by `word`; "" if none is closer than `limit` edits.
std::string closest_word(std::string_view word, const std::vector<std::string_view>& known,
                         std::size_t limit);

}  // namespace alig
