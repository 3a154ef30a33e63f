#include "score.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <tuple>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "auto_label_image_grounding/base/files.h"
#include "auto_label_image_grounding/base/text.h"

namespace demo {
namespace {

using Json = nlohmann::json;
using Box = std::array<double, 4>;

constexpr double kFound = 0.5;

std::vector<Json> read_lines(const std::filesystem::path& path) {
  const auto text = alig::read_file(path);
  if (!text) throw std::runtime_error(text.error().message);
  std::vector<Json> lines;
  for (std::size_t at = 0; at < text->size();) {
    const std::size_t end = std::min(text->find('\n', at), text->size());
    const std::string_view line = alig::trim(std::string_view(*text).substr(at, end - at));
    at = end + 1;
    if (line.empty()) continue;
    lines.push_back(Json::parse(line, nullptr, false));
    if (!lines.back().is_object()) {
      throw std::runtime_error(
          fmt::format("{}: record {} is not a JSON object", path.string(), lines.size()));
    }
  }
  return lines;
}

// Lower case, single spaces, without the leading article.
std::string words(const std::string& text) {
  const std::string lower = alig::to_utf8(alig::lower_code_points(alig::to_code_points(text)));
  std::string_view rest = alig::trim(lower);
  for (const std::string_view article : {"a ", "an ", "the "}) {
    if (rest.starts_with(article)) {
      rest.remove_prefix(article.size());
      break;
    }
  }
  return std::string(alig::trim(rest));
}

double area(const Box& box) {
  return std::max(0.0, box[2] - box[0]) * std::max(0.0, box[3] - box[1]);
}

double iou(const Box& a, const Box& b) {
  const double shared = area(
      {std::max(a[0], b[0]), std::max(a[1], b[1]), std::min(a[2], b[2]), std::min(a[3], b[3])});
  const double all = area(a) + area(b) - shared;
  return all > 0 ? shared / all : 0;
}

// The IoU of each truth box with its partner, 0 without one: the best pair first, each box once.
std::vector<double> match(const std::vector<Box>& truth, const std::vector<Box>& found) {
  std::vector<std::tuple<double, std::size_t, std::size_t>> pairs;
  for (std::size_t t = 0; t < truth.size(); ++t) {
    for (std::size_t f = 0; f < found.size(); ++f) {
      if (const double value = iou(truth[t], found[f]); value > 0) pairs.emplace_back(value, t, f);
    }
  }
  std::sort(pairs.rbegin(), pairs.rend());
  std::vector<double> out(truth.size(), 0);
  std::vector<bool> used(found.size(), false);
  for (const auto& [value, t, f] : pairs) {
    if (out[t] > 0 || used[f]) continue;
    out[t] = value;
    used[f] = true;
  }
  return out;
}

std::vector<Box> boxes_of(const Json& expression) {
  std::vector<Box> out;
  for (const Json& instance : expression.at("instances")) out.push_back(instance.at("bbox"));
  return out;
}

// Positions count code points, as in Python; out of range or reversed is false.
bool is_true_span(const Json& span, const std::string& caption, const std::string& text) {
  const auto all = alig::lower_code_points(alig::to_code_points(caption));
  const auto begin = span.at(0).get<std::ptrdiff_t>(), end = span.at(1).get<std::ptrdiff_t>();
  if (begin < 0 || end <= begin || end > static_cast<std::ptrdiff_t>(all.size())) return false;
  return std::vector<char32_t>(all.begin() + begin, all.begin() + end) ==
         alig::lower_code_points(alig::to_code_points(text));
}

void score_spans(const Json& record, const std::string& where, Score& score) {
  for (const Json& expression : record.at("expressions")) {
    const Json span = expression.value("char_span", Json());
    if (span.is_null()) continue;
    ++score.spans;
    const std::string text = expression.at("text");
    if (is_true_span(span, record.at("cleaned_caption"), text)) {
      ++score.true_spans;
    } else {
      score.problems.push_back(
          fmt::format("{}: the span {} does not hold \"{}\"", where, span.dump(), text));
    }
  }
}

// The unused expression of the same words, or null.
const Json* find_expression(const Json& expressions, const std::string& phrase,
                            std::vector<bool>& used) {
  for (std::size_t i = 0; i < expressions.size(); ++i) {
    if (used[i] || words(expressions[i].at("text")) != words(phrase)) continue;
    used[i] = true;
    return &expressions[i];
  }
  return nullptr;
}

void score_phrase(const Json& truth, const Json* expression, Score& score) {
  const std::vector<Box> expected = truth.at("boxes");
  const std::vector<Box> found = expression ? boxes_of(*expression) : std::vector<Box>();
  ++score.phrases;
  score.missed_phrases += expression ? 0 : 1;
  score.boxes += static_cast<int>(expected.size());
  score.false_boxes += static_cast<int>(found.size());
  for (const double value : match(expected, found)) {
    score.sum_iou += value;
    score.found_boxes += value >= kFound ? 1 : 0;
    score.false_boxes -= value >= kFound ? 1 : 0;
  }
}

void score_record(const Json& truth, const Json& record, const std::string& where, Score& score) {
  const bool failed = !record.value("error", Json()).is_null();
  score.failed_records += failed ? 1 : 0;
  const Json expressions = record.value("expressions", Json::array());
  std::vector<bool> used(expressions.size(), false);
  for (const Json& phrase : truth.at("gt")) {
    score_phrase(phrase, find_expression(expressions, phrase.at("phrase"), used), score);
  }
  for (std::size_t i = 0; i < expressions.size(); ++i) {
    if (!used[i]) score.false_boxes += static_cast<int>(boxes_of(expressions[i]).size());
  }
  if (!expressions.empty()) score_spans(record, where, score);
}

// Annotations hold the path as resolved against image_root: its end is compared, by whole folders.
bool is_same_record(const Json& truth, const Json& record) {
  const std::string path = record.at("image_path"), expected = truth.at("image_path");
  return (path == expected || path.ends_with("/" + expected)) &&
         record.at("caption") == truth.at("caption");
}

}  // namespace

Score score_annotations(const std::filesystem::path& annotations,
                        const std::filesystem::path& truth_path) {
  const std::vector<Json> records = read_lines(annotations), truth = read_lines(truth_path);
  Score score;
  score.records = static_cast<int>(truth.size());
  if (records.size() != truth.size()) {
    score.problems.push_back(fmt::format("{} has {} records, the truth has {}",
                                         annotations.string(), records.size(), truth.size()));
  }
  for (std::size_t i = 0; i < truth.size(); ++i) {
    const std::string where = fmt::format("record {}", i + 1);
    // What is missing or out of order counts as missed.
    Json record = Json::object();
    try {
      if (i < records.size() && is_same_record(truth[i], records[i])) {
        record = records[i];
      } else if (i < records.size()) {
        score.problems.push_back(where + ": another picture or caption than the truth's");
      }
      score_record(truth[i], record, where, score);
    } catch (const Json::exception& error) {
      throw std::runtime_error(fmt::format("{} or {}: {}: {}", annotations.string(),
                                           truth_path.string(), where, error.what()));
    }
  }
  return score;
}

std::string to_json(const Score& score) {
  nlohmann::ordered_json out;
  out["records"] = score.records;
  out["failed_records"] = score.failed_records;
  out["phrases"] = score.phrases;
  out["missed_phrases"] = score.missed_phrases;
  out["boxes"] = score.boxes;
  out["mean_iou"] = score.mean_iou();
  out["recall_at_50"] = score.recall();
  out["false_boxes"] = score.false_boxes;
  out["spans"] = score.spans;
  out["true_spans"] = score.true_spans;
  out["problems"] = score.problems;
  return out.dump(2) + "\n";
}

std::string to_text(const Score& score) {
  std::string out = fmt::format(
      "records       {} ({} failed)\n"
      "phrases       {} ({} missed)\n"
      "mean IoU      {:.4f} over {} boxes, a miss counts 0\n"
      "recall @ 0.5  {:.4f}\n"
      "false boxes   {}\n"
      "true spans    {} of {}\n",
      score.records, score.failed_records, score.phrases, score.missed_phrases, score.mean_iou(),
      score.boxes, score.recall(), score.false_boxes, score.true_spans, score.spans);
  for (const std::string& problem : score.problems) out += "problem: " + problem + "\n";
  return out;
}

}  // namespace demo
