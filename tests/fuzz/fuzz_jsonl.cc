// A JSONL file: its lines, each line's record, and what the steps take out of it.
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "auto_label_image_grounding/base/text.h"
#include "auto_label_image_grounding/data/jsonl.h"
#include "auto_label_image_grounding/data/record.h"
#include "auto_label_image_grounding/data/sample.h"
#include "auto_label_image_grounding/data/sample_name.h"
#include "tests/fuzz/fuzz_support.h"

namespace alig::fuzz {
namespace {

using nlohmann::json;

void check_file_name(const std::string& id) {
  const std::string name = sanitise_id(id);
  require(!name.empty() && name.size() <= 120, "a file name has 1 to 120 bytes");
  require(name.front() != '.', "a file name is not hidden");
  require(name.find_first_of(std::string_view("/\\\0\n", 4)) == name.npos, "a file name is safe");
  require(is_valid_utf8(name), "a file name is UTF-8");
}

void check_sample(const Sample& sample) {
  require(!sample.image_path.empty(), "a sample has an image");
  require(sample.image_path.find('\0') == std::string::npos, "a path holds no NUL");
  require(!sample.image_id.empty(), "a sample has an id");
  if (sample.declared_size) {
    require(sample.declared_size->width > 0 && sample.declared_size->height > 0,
            "a declared size has an area");
  }
  check_file_name(sample.image_id);
}

// The raw text of each field is carried over: what goes in comes out.
void check_record(const Record& record, std::string_view line) {
  require(line.find('\0') == line.npos, "no JSON holds a NUL");
  const json before = json::parse(line, nullptr, false);
  require(before.is_object(), "a record is a JSON object");
  const std::string text = record.dump();
  require(json::parse(text, nullptr, false) == before, "a record keeps its fields");
  const auto again = Record::parse(text);
  require(again && again->dump() == text, "a record reads back as it was written");
  for (const auto& [key, value] : before.items()) {
    require(record.value(key) == value, "a field has its value");
    if (!value.is_array()) continue;
    const auto elements = split_raw_array(*record.raw(key));
    require(elements.size() == value.size(), "a list has its elements");
    for (std::size_t i = 0; i < elements.size(); ++i) {
      require(json::parse(elements[i], nullptr, false) == value[i], "an element has its value");
    }
  }
}

void check_changes(Record record, std::string_view line) {
  record.set_string("caption", line);
  record.set("new \"key\"", "[1, 2]");
  record.erase("image_id");
  const json out = json::parse(record.dump(), nullptr, false);
  require(out.is_object() && out["caption"] == scrub_utf8(line), "a text can be put in");
  require(out["new \"key\""] == json({1, 2}) && !out.contains("image_id"), "fields change");
}

void check_line(std::string_view line) {
  const auto record = Record::parse(line);
  const auto sample = read_input_sample(line, "/images");
  const auto extracted = read_extracted_sample(line);
  require(record || (!sample && !extracted), "no sample comes from what is no record");
  if (!record) {
    require(record.error().kind == ErrorKind::kData, "a bad line is kData");
    return;
  }
  check_record(*record, line);
  check_changes(*record, line);
  if (sample) check_sample(*sample);
  if (extracted) check_sample(extracted->sample);
}

// The same lines by other means, without a buffer: what next() must find.
class PlainLines {
 public:
  explicit PlainLines(std::string_view text) : rest_(text) {
    constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
    if (rest_.starts_with(kByteOrderMark)) rest_.remove_prefix(kByteOrderMark.size());
  }
  // Empty at the end.
  std::string_view next() {
    while (!rest_.empty()) {
      ++number_;
      std::string_view line = take_line(rest_);
      if (line.find_first_not_of(" \t\r\n") == line.npos) continue;
      if (line.ends_with('\r')) line.remove_suffix(1);
      return line;
    }
    return {};
  }
  std::uint32_t number() const { return number_; }

 private:
  std::string_view rest_;
  std::uint32_t number_ = 0;
};

void run(std::string_view text) {
  const MemoryFile memory(text);
  auto file = JsonlFile::open(memory.path());
  require(file.has_value(), "the file opens");
  PlainLines expected(text);
  for (;;) {
    const auto line = file->next();
    require(line.has_value(), "a file in memory can be read");
    const std::string_view wanted = expected.next();
    require(line->has_value() == !wanted.empty(), "there are as many lines as there should be");
    if (!line->has_value()) break;
    require((*line)->text == wanted, "a line has its text");
    require((*line)->position.number == expected.number(), "a line has its number");
    const auto again = file->read((*line)->position);
    require(again && *again == wanted, "a line reads again by its position");
    check_line(wanted);
  }
}

}  // namespace
}  // namespace alig::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  alig::fuzz::run(alig::fuzz::as_text(data, size));
  return 0;
}
