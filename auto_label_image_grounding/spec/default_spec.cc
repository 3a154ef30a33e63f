#include <utility>

#include <fmt/ranges.h>

#include "auto_label_image_grounding/base/files.h"
#include "auto_label_image_grounding/base/json_text.h"
#include "auto_label_image_grounding/base/text.h"
#include "auto_label_image_grounding/spec/spec.h"
#include "auto_label_image_grounding/spec/spec_keys.h"

namespace alig {
namespace {

std::vector<std::string> parts_of(const std::string& path) {
  std::vector<std::string> parts;
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find('.', begin), path.size());
    parts.push_back(path.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

SpecJson key_json(const SpecKey& key) {
  const auto bound = [](const std::optional<double>& value) {
    return value ? SpecJson(*value) : SpecJson();
  };
  return {{"path", key.path},
          {"type", name_of(key.type)},
          {"default", key.default_value},
          {"description", key.description},
          {"options", key.options.empty() ? SpecJson() : SpecJson(key.options)},
          {"min", bound(key.min)},
          {"max", bound(key.max)},
          {"secret", key.secret},
          {"ignored", key.ignored}};
}

}  // namespace

std::string default_spec_yaml(const std::string& results_dir) {
  std::string out =
      "# Every key of image_grounding with its default. What is left out of a spec has this "
      "value.\n";
  // YAML is Unicode: a folder whose name is not shows up with U+FFFD.
  out += fmt::format("results_dir: {}\n", json_text(SpecJson(scrub_utf8(results_dir))));
  out += "autolabel_type: \"image_grounding\"\nimage_grounding:\n";
  std::vector<std::string> open;
  for (const SpecKey& key : spec_keys()) {
    if (key.ignored) continue;
    const std::vector<std::string> parts = parts_of(key.path);
    std::size_t depth = 0;
    while (depth + 1 < parts.size() && depth < open.size() && open[depth] == parts[depth]) ++depth;
    open.resize(depth);
    for (; depth + 1 < parts.size(); ++depth) {
      out += fmt::format("{:{}}{}:\n", "", 2 * (depth + 1), parts[depth]);
      open.push_back(parts[depth]);
    }
    const std::size_t indent = 2 * (depth + 1);
    std::string comment = key.description;
    if (key.type == KeyType::kString && !key.options.empty()) {
      comment += fmt::format(" [{}]", fmt::join(key.options, ", "));
    }
    out += fmt::format("{:{}}# {}\n{:{}}{}: {}\n", "", indent, comment, "", indent, parts.back(),
                       json_text(key.default_value));
  }
  return out;
}

Result<WrittenSpec> write_default_spec(const std::filesystem::path& folder,
                                       const std::string& results_dir) {
  WrittenSpec out{folder / "experiment.yaml", {}};
  const std::string text = default_spec_yaml(results_dir);
  const auto old = read_file(out.path);
  if (!old && old.error().kind != ErrorKind::kNotFound) return tl::unexpected(old.error());
  if (old && *old == text) return out;
  if (old) {
    auto kept = keep_previous(out.path);
    if (!kept) return tl::unexpected(kept.error());
    out.kept = std::move(*kept);
  }
  Status status = make_directories(folder);
  if (status) status = write_file_atomically(out.path, text);
  if (!status) return tl::unexpected(status.error());
  return out;
}

std::string spec_keys_json() {
  SpecJson out = SpecJson::array();
  for (const SpecKey& key : spec_keys()) out.push_back(key_json(key));
  return json_text(out, 1);
}

}  // namespace alig
