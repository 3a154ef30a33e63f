#include "auto_label_image_grounding/results/stock_output.h"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "auto_label_image_grounding/base/files.h"
#include "auto_label_image_grounding/base/json_text.h"
#include "auto_label_image_grounding/base/text.h"
#include "auto_label_image_grounding/data/jsonl.h"
#include "auto_label_image_grounding/data/sample.h"
#include "auto_label_image_grounding/results/checkpoint_store.h"

namespace alig {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;  // objects are equal whatever the order of their keys

// Null if it is not a JSON object.
json read_object(std::string_view text) {
  constexpr std::size_t kDeepest = 64;  // levels
  if (nests_deeper_than(text, kDeepest)) return {};
  json out = parse_json(text);
  return out.is_object() ? out : json();
}

// Whether Python may have written it, although it is not JSON.
bool has_a_python_number(std::string_view text) {
  return text.find("NaN") != text.npos || text.find("Infinity") != text.npos;
}

bool is_of_extraction(const json& record) {
  const json steps = record.value("pipeline_steps", json());
  return steps.is_array() && std::find(steps.begin(), steps.end(),
                                       traits_of(Step::kExtraction).pipeline_step) != steps.end();
}

bool is_stock(const json& checkpoint) { return !checkpoint.contains("fingerprint"); }

json caption_of(const json& record) { return record.value("caption", json("")); }

// Whether there is more in a line than in that of a failed record.
bool has_labels(const json& line) {
  const json expressions = line.value("expressions", json::array());
  if (expressions != json::array()) return true;
  if (line.contains("error")) return false;  // one of ours
  return line.value("cleaned_caption", caption_of(line)) != caption_of(line);
}

std::vector<json> values_in(const json& record, const char* key) {
  std::vector<json> out;
  for (const json& expression : record.value("expressions", json::array())) {
    out.push_back(expression.is_object() ? expression.value(key, json()) : json());
  }
  return out;
}

bool same_labels(const json& a, const json& b) {
  return a.value("cleaned_caption", json()) == b.value("cleaned_caption", json()) &&
         values_in(a, "text") == values_in(b, "text");
}

bool is_of_record(const json& checkpoint, const json& line) {
  if (caption_of(checkpoint) != caption_of(line)) return false;
  const json theirs = line.value("image_path", json());
  const json path = checkpoint.value("image_path", json());
  if (theirs == path) return true;
  // Ours has image_root before it.
  return !is_stock(checkpoint) && theirs.is_string() && path.is_string() &&
         same_image(theirs.get<std::string>(), path.get<std::string>());
}

// Exact duplicates that were processed concurrently have a line each, with different ids, but one
// checkpoint: that of the later one.
bool is_another_answer(const json& line, const json& checkpoint) {
  const std::vector<json> ids = values_in(line, "expression_id");
  const std::vector<json> others = values_in(checkpoint, "expression_id");
  return !ids.empty() && std::none_of(ids.begin(), ids.end(), [&](const json& id) {
    return std::find(others.begin(), others.end(), id) != others.end();
  });
}

// The stock pipeline's name for the checkpoint of the record at `index`: the first of these that is
// not null, empty or zero.
std::string stock_name(const json& line, std::size_t index) {
  for (const char* key : {"image_id", "dataset_sample_id"}) {
    const json id = line.value(key, json());
    if (id.is_string() && id != "") return id.get<std::string>();
    if (id.is_number() && id != 0) return json_text(id);
  }
  return std::to_string(index);
}

// It uses any id as a path, which may lead to unrelated files.
bool leads_elsewhere(const std::string& name) {
  return name.rfind('/', 0) == 0 || ("/" + name + "/").find("/../") != std::string::npos;
}

bool can_be_a_file(const std::string& name) {
  constexpr std::size_t kLongest = 250;  // bytes, and ".json"
  return name.size() <= kLongest && name.find('\0') == std::string::npos;
}

class StockOutput {
 public:
  explicit StockOutput(const ResultsDir& dir)
      : path_(dir.step_annotations(Step::kExtraction)),
        folder_(dir.checkpoints(Step::kExtraction)) {}

  Result<bool> is_edited(const std::function<Status()>& may_go_on) {
    auto file = JsonlFile::open(path_);
    if (!file && file.error().kind == ErrorKind::kNotFound) return false;
    if (!file) return tl::unexpected(file.error());
    if (auto status = read_lines(*file, may_go_on); !status) return tl::unexpected(status.error());
    if (!has_records_) return has_lost_a_line(may_go_on);
    if (!of_extraction_) return false;
    std::sort(agreed_.begin(), agreed_.end());
    const bool all_agree = std::all_of(differing_.begin(), differing_.end(),
                                       [&](std::uint64_t name) { return has_agreed(name); });
    if (edited_ || !all_agree) return true;
    return has_lost_a_line(may_go_on);
  }

 private:
  Status read_lines(JsonlFile& file, const std::function<Status()>& may_go_on) {
    for (std::size_t index = 0; !(edited_ && of_extraction_); ++index) {
      auto line = file.next();
      if (!line) return tl::unexpected(line.error());
      if (!*line) break;
      if (auto status = ask(may_go_on, index); !status) return status;
      if (auto status = judge((*line)->text, index); !status) return status;
    }
    return {};
  }

  static Status ask(const std::function<Status()>& may_go_on, std::size_t count) {
    constexpr std::size_t kInterval = 1024;
    return may_go_on && count % kInterval == 0 ? may_go_on() : Status();
  }

  Status judge(std::string_view text, std::size_t index) {
    const json line = read_object(text);
    if (line.is_null()) {  // where it was a record once, its checkpoint has lost it
      edited_ = edited_ || !has_a_python_number(text);
      return {};
    }
    has_records_ = true;
    of_extraction_ = of_extraction_ || is_of_extraction(line);
    const std::string stock = stock_name(line, index);
    bool accounted = leads_elsewhere(stock);
    for (const std::string& name : names_of(text, stock)) {
      auto found = read_checkpoint(name);
      if (!found) return tl::unexpected(found.error());
      if (!*found) continue;
      const json& checkpoint = **found;
      const bool damaged = checkpoint.is_null();
      if (damaged || !is_of_record(checkpoint, line)) {
        accounted = accounted || damaged || (name == stock && is_stock(checkpoint));
        continue;
      }
      if (is_stock(checkpoint)) {
        compare(line, checkpoint, name);
        return {};
      }
      agreed_.push_back(hash_of(name));
      accounted = accounted || same_labels(line, checkpoint);
    }
    edited_ = edited_ || (!accounted && has_labels(line));
    return {};
  }

  // Where the line's checkpoint may be: the stock one, and those of a run of ours, which gives way
  // to another sample's under its name with a suffix.
  static std::vector<std::string> names_of(std::string_view text, const std::string& stock) {
    std::vector<std::string> names;
    if (!leads_elsewhere(stock) && can_be_a_file(stock)) names.push_back(stock);
    const auto sample = read_input_sample(text, "");
    if (!sample) return names;
    SampleName name{sanitise_id(sample->image_id), sample_key(sample->image_path, sample->caption)};
    for (const bool shared : {false, true}) {
      name.shared = shared;
      if (std::string ours = checkpoint_name(name); ours != stock) names.push_back(std::move(ours));
    }
    return names;
  }

  // Nothing if there is no such file; null if it is damaged.
  Result<std::optional<json>> read_checkpoint(const std::string& name) const {
    const auto text = read_file(folder_ / (name + ".json"));
    if (text) return read_object(*text);
    if (text.error().kind == ErrorKind::kNotFound) return std::nullopt;
    return tl::unexpected(text.error());
  }

  void compare(const json& line, const json& checkpoint, const std::string& name) {
    if (line == checkpoint) {
      agreed_.push_back(hash_of(name));
    } else if (is_another_answer(line, checkpoint)) {
      differing_.push_back(hash_of(name));
    } else {
      edited_ = true;
    }
  }

  Result<bool> has_lost_a_line(const std::function<Status()>& may_go_on) const {
    std::error_code code;
    std::size_t count = 0;
    for (fs::directory_iterator entry(folder_, code), end; !code && entry != end;
         entry.increment(code)) {
      if (auto status = ask(may_go_on, ++count); !status) return tl::unexpected(status.error());
      const fs::path& path = entry->path();
      if (path.extension() != ".json" || has_agreed(hash_of(path.stem().string()))) continue;
      const auto found = read_checkpoint(path.stem().string());
      if (!found) return tl::unexpected(found.error());
      const bool record = *found && !(*found)->is_null();
      if (record && is_stock(**found) && is_of_extraction(**found)) return true;
    }
    if (!code || code == std::errc::no_such_file_or_directory) return false;
    return fail(ErrorKind::kIo,
                fmt::format("cannot read {}: {}", folder_.string(), code.message()));
  }

  static std::uint64_t hash_of(std::string_view name) {
    return std::hash<std::string_view>{}(name);
  }
  bool has_agreed(std::uint64_t name) const {
    return std::binary_search(agreed_.begin(), agreed_.end(), name);
  }

  fs::path path_, folder_;
  bool has_records_ = false;
  bool of_extraction_ = false;
  bool edited_ = false;
  // Names of checkpoints, hashed: of those that a line agrees with or that are ours, and of those
  // that a line differs from and another one must agree with.
  std::vector<std::uint64_t> agreed_, differing_;
};

}  // namespace

Result<bool> edited_since_stock_run(const ResultsDir& dir,
                                    const std::function<Status()>& may_go_on) {
  return StockOutput(dir).is_edited(may_go_on);
}

}  // namespace alig
