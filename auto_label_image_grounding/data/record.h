// One line of a JSONL file: a JSON object whose fields keep their order and whose values keep their
// exact original text, so that what passes through is unchanged (1.50 stays 1.50).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "auto_label_image_grounding/base/status.h"

namespace alig {

class Record {
 public:
  // kData if `line` is not a single JSON object in UTF-8; the message says what is wrong and where.
  static Result<Record> parse(std::string_view line);

  // The raw JSON text of a field (the last one if the key is duplicated); nullptr if absent.
  const std::string* raw(std::string_view key) const;
  // The decoded value; JSON null if absent.
  nlohmann::json value(std::string_view key) const;

  // The decoded text; "" if absent or not a string.
  std::string text(std::string_view key) const;

  // Replaces a field in place, or appends it. `raw_value` is JSON text.
  void set(std::string_view key, std::string raw_value);
  void set_string(std::string_view key, std::string_view text);
  void erase(std::string_view key);

  bool empty() const { return fields_.empty(); }
  // One line without its line end: {"a": 1, "b": [1, 2]}
  std::string dump() const;

 private:
  struct Field {
    std::string key;      // decoded
    std::string raw_key;  // as written, with its quotes
    std::string raw_value;
  };
  std::vector<Field> fields_;
};

// `text` (scrubbed to valid UTF-8) as a JSON string with quotes; non-ASCII text stays readable.
std::string json_string(std::string_view text);

// The raw texts of the elements of a JSON array. Precondition: `raw` is valid JSON and an array.
std::vector<std::string> split_raw_array(std::string_view raw);

}  // namespace alig
