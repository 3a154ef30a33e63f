#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

#include <fmt/core.h>

#include "auto_label_image_grounding/base/files.h"
#include "auto_label_image_grounding/base/json_text.h"
#include "auto_label_image_grounding/base/key_names.h"
#include "auto_label_image_grounding/base/text.h"
#include "auto_label_image_grounding/spec/spec.h"
#include "auto_label_image_grounding/spec/spec_keys.h"
#include "auto_label_image_grounding/spec/spec_tree.h"
#include "auto_label_image_grounding/spec/spec_value.h"

namespace alig {
namespace {

constexpr const char* kBlock = "image_grounding";

// Top-level keys of the existing dispatcher's spec that are not ours to read.
bool is_foreign_top_level_key(const std::string& key) {
  static const std::set<std::string> kKeys = {"mal",
                                              "grounding_dino",
                                              "gpu_ids",
                                              "num_gpus",
                                              "batch_size",
                                              "num_workers",
                                              "module_name",
                                              "video_reasoning_annotation",
                                              "image_referring_expression",
                                              "defaults",
                                              "hydra",
                                              "encryption_key",
                                              "verbose"};
  return kKeys.contains(key);
}

tl::unexpected<Error> complain(const std::string& origin, const std::string& message) {
  return fail(ErrorKind::kInvalidArgument, origin + ": " + message);
}

bool is_block(const std::string& path) {
  const auto& keys = spec_keys();
  return std::any_of(keys.begin(), keys.end(),
                     [&](const SpecKey& key) { return key.path.rfind(path + ".", 0) == 0; });
}

std::string last_part(const std::string& path) { return path.substr(path.rfind('.') + 1); }

// The key that was probably meant: close in spelling, or the right word, or nearly, in the wrong
// block.
std::string closest_key(const std::string& path) {
  std::string best;
  std::size_t best_distance = path.size() / 3 + 2;
  const auto consider = [&](const std::string& known) {
    const std::string word = last_part(path);
    const std::size_t in_word = edit_distance(word, last_part(known));
    std::size_t distance = edit_distance(path, known);
    if (in_word <= word.size() / 4) distance = std::min(distance, in_word + 1);
    if (distance >= best_distance) return;
    best_distance = distance;
    best = known;
  };
  for (const SpecKey& key : spec_keys()) {
    consider(key.path);
    for (std::size_t end = key.path.find('.'); end != key.path.npos;
         end = key.path.find('.', end + 1)) {
      consider(key.path.substr(0, end));  // a block
    }
  }
  return best;
}

std::string unknown_key(const std::string& full_path, const std::string& path) {
  const std::string meant = closest_key(path);
  const std::string hint =
      meant.empty() ? "" : fmt::format(" (did you mean {}.{}?)", kBlock, meant);
  return fmt::format("unknown key {}{}", full_path, hint);
}

// "" where no key at the top was probably meant.
std::string meant_top_level_key(const std::string& key) {
  if (find_key(key) != nullptr || is_block(key)) return fmt::format("{}.{}", kBlock, key);
  return closest_word(key, {kBlock, "results_dir", "autolabel_type"}, key.size() / 3 + 2);
}

// The dispatcher has a block for each of its types, and more of them with each version: in a file
// that has ours too, they are not ours to read.
void drop_blocks_of_other_types(SpecJson& file) {
  if (!file.contains(kBlock)) return;
  for (auto entry = file.begin(); entry != file.end();) {
    const bool other = entry.key() != kBlock && entry.value().is_object() &&
                       meant_top_level_key(entry.key()).empty();
    entry = other ? file.erase(entry) : std::next(entry);
  }
}

std::string unknown_top_level_key(const std::string& key) {
  const std::string meant = meant_top_level_key(key);
  return meant.empty() ? unknown_key(key, key)
                       : fmt::format("unknown key {} (did you mean {}?)", key, meant);
}

// Headers that belong to the connection or to the body, lower case.
bool is_reserved_header(const std::string& name) {
  static const std::set<std::string> kNames = {"host",
                                               "content-length",
                                               "content-type",
                                               "content-encoding",
                                               "transfer-encoding",
                                               "connection",
                                               "keep-alive",
                                               "upgrade",
                                               "te",
                                               "trailer",
                                               "expect",
                                               "accept-encoding",
                                               "proxy-authorization",
                                               "proxy-connection"};
  return kNames.contains(ascii_lower(name));
}

// RFC 9110: a token.
bool is_header_name(std::string_view name) {
  const auto is_token = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
  };
  return !name.empty() && std::all_of(name.begin(), name.end(), is_token);
}

bool holds_control_character(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7F;
  });
}

// What is wrong with a header; "" if nothing is. `key`: that of all extra headers.
std::string flaw_of_header(const std::string& key, const std::string& name,
                           const std::string& value) {
  // Not shown: it may be the value.
  if (!is_header_name(name)) {
    return key + " holds a name that no header can have: letters, digits and \"-\"";
  }
  if (is_reserved_header(name)) {
    return fmt::format("{}.{} cannot be set: the program sets it for each request", key, name);
  }
  if (holds_control_character(value)) {
    return fmt::format("{}.{} holds a line break or another control character", key, name);
  }
  return "";
}

class SpecLoader {
 public:
  explicit SpecLoader(const SpecTree& tree) : tree_(tree) {
    for (const SpecKey& key : spec_keys()) key.store(spec_, key.default_value);
  }

  Result<Spec> load() {
    Status status = load_top_level();
    if (status) status = load_block(tree_.root.value(kBlock, SpecJson::object()), "");
    GeminiSpec& gemini = spec_.vlm.gemini;
    if (gemini.vertex && gemini.base_url == kGeminiPlace) gemini.base_url = kVertexPlace;
    if (status) status = check_whole();
    if (!status) return tl::unexpected(status.error());
    return std::move(spec_);
  }

 private:
  Status load_top_level() {
    for (const auto& [key, value] : tree_.root.items()) {
      const std::string origin = tree_.origin_of(key);
      if (key == kBlock || is_foreign_top_level_key(key)) continue;
      if (key == "results_dir") {
        if (Status status = load_results_dir(origin, value); !status) return status;
      } else if (key == "autolabel_type") {
        if (value != kBlock) {
          return complain(origin,
                          fmt::format("autolabel_type is {}: this is the pipeline of \"{}\"",
                                      shown_value(value), kBlock));
        }
      } else {
        return complain(origin, unknown_top_level_key(key));
      }
    }
    return {};
  }

  Status load_results_dir(const std::string& origin, const SpecJson& value) {
    if (value.is_null()) return {};
    if (!value.is_string() && !value.is_number())
      return complain(origin, "results_dir must be text");
    auto text = interpolate(value.is_string() ? value.get<std::string>() : json_text(value));
    if (!text) return complain(origin, "results_dir: " + text.error().message);
    if (*text != kMissing) spec_.results_dir = *text;
    return {};
  }

  // `path` is relative to image_grounding, "" for the block itself.
  Status load_block(const SpecJson& block, const std::string& path) {
    const std::string full = path.empty() ? kBlock : fmt::format("{}.{}", kBlock, path);
    if (block.is_null()) return {};
    if (!block.is_object()) {
      return complain(tree_.origin_of(full),
                      fmt::format("{} is a block of keys, not a value", full));
    }
    for (const auto& [name, value] : block.items()) {
      const std::string inner = path.empty() ? name : path + "." + name;
      if (Status status = load_entry(inner, value); !status) return status;
    }
    return {};
  }

  Status load_entry(const std::string& path, const SpecJson& value) {
    const std::string full = fmt::format("{}.{}", kBlock, path);
    if (is_block(path)) return load_block(value, path);
    const SpecKey* key = find_key(path);
    if (key == nullptr) return complain(tree_.origin_of(full), unknown_key(full, path));
    if (key->ignored) return {};
    if (Status status = store_value(spec_, *key, value); !status) {
      return complain(tree_.origin_of(full), full + " " + status.error().message);
    }
    return {};
  }

  // What concerns several keys.
  Status check_whole() const {
    const auto missing = [](const std::string& key, const std::string& why) {
      return fail(ErrorKind::kInvalidArgument, fmt::format("{} must be set{}", key, why));
    };
    const auto at = [](const char* key) { return fmt::format("{}.{}", kBlock, key); };
    if (spec_.results_dir.empty()) return missing("results_dir", ": the folder for the results");
    if (spec_.workflow.steps.empty()) {
      return fail(ErrorKind::kInvalidArgument,
                  at("workflow.steps") + " is empty: [\"0\", \"1\"] or one of them");
    }
    if (spec_.workflow.steps.contains(Step::kExtraction) && spec_.data.input_jsonl.empty()) {
      return missing(at("data.input_jsonl"), ": the JSONL file with image_path and caption");
    }
    for (const auto& [key, path] : {std::pair("data.input_jsonl", &spec_.data.input_jsonl),
                                    std::pair("data.image_root", &spec_.data.image_root)}) {
      // Not shown: a URL may hold a password or a key.
      if (path->find("://") != path->npos) {
        return fail(ErrorKind::kInvalidArgument,
                    at(key) + " must be a path of this machine, and is a URL");
      }
    }
    if (spec_.output.report) return not_available(at("output.report"), "false");
    if (!spec_.output.exports.empty()) return not_available(at("output.exports"), "[]");
    return check_endpoint(at);
  }

  template <typename At>
  Status check_endpoint(At at) const {
    const bool openai = spec_.vlm.backend == Backend::kOpenAi;
    const std::string& model = openai ? spec_.vlm.openai.model_name : spec_.vlm.gemini.model;
    const std::string url_key = at(openai ? "vlm.openai.base_url" : "vlm.gemini.base_url");
    const std::string model_key = at(openai ? "vlm.openai.model_name" : "vlm.gemini.model");
    const std::vector<std::string> urls =
        openai ? spec_.vlm.openai.base_urls : std::vector{spec_.vlm.gemini.base_url};
    if (auto status = check_urls(urls, url_key); !status) return status;
    if (model.empty()) return fail(ErrorKind::kInvalidArgument, model_key + " must be set");
    if (spec_.vlm.openai.extra_body->contains("messages")) {
      return fail(
          ErrorKind::kInvalidArgument,
          at("vlm.openai.extra_body") + " must not hold \"messages\": those are the pipeline's");
    }
    for (const auto& [name, value] : spec_.vlm.openai.extra_headers) {
      const std::string flaw = flaw_of_header(at("vlm.openai.extra_headers"), name, value);
      if (!flaw.empty()) return fail(ErrorKind::kInvalidArgument, flaw);
    }
    return {};
  }

  static Status check_urls(const std::vector<std::string>& urls, const std::string& key) {
    std::set<std::string> seen;
    for (const std::string& url : urls) {
      if (auto status = check_url(url, key); !status) return status;
      if (!seen.insert(url).second) {
        return fail(ErrorKind::kInvalidArgument, key + " must not name an endpoint twice");
      }
    }
    return urls.empty() ? check_url("", key) : Status();
  }

  static Status check_url(const std::string& url, const std::string& key) {
    if (url.empty()) {
      return fail(ErrorKind::kInvalidArgument, key + " must be set, e.g. http://host:8000/v1");
    }
    if (starts_with_ignoring_case(url, "http://") || starts_with_ignoring_case(url, "https://")) {
      return {};
    }
    // Text that is not a URL may contain a password or a key anywhere.
    const bool harmless = url.find_first_of("@?") == url.npos;
    return fail(ErrorKind::kInvalidArgument,
                fmt::format("{} must begin with http:// or https://{}", key,
                            harmless ? fmt::format(", not {}", shorten(url, 60)) : ""));
  }

  static tl::unexpected<Error> not_available(const std::string& key, const char* value) {
    return fail(ErrorKind::kInvalidArgument,
                fmt::format("{} is not available yet in this version: leave it at {}", key, value));
  }

  const SpecTree& tree_;
  Spec spec_;
};

}  // namespace

Result<Spec> load_spec(const SpecSource& source, const std::vector<std::string>& overrides) {
  auto tree = parse_yaml(source);
  if (!tree) return tl::unexpected(tree.error());
  drop_blocks_of_other_types(tree->root);
  for (const std::string& text : overrides) {
    if (auto status = apply_override(*tree, text); !status) return tl::unexpected(status.error());
  }
  return SpecLoader(*tree).load();
}

Result<Spec> load_spec_file(const std::filesystem::path& path,
                            const std::vector<std::string>& overrides) {
  auto text = read_file(path);
  if (!text) return fail_at("spec", text.error());
  return load_spec({std::move(*text), path.string()}, overrides);
}

namespace {

// A key and where it comes from, for messages.
struct NamedKey {
  std::string key, origin;
};

NamedKey find_api_key(const std::string& from_spec, const char* spec_key,
                      std::initializer_list<const char*> variables,
                      const std::function<const char*(const char*)>& getenv) {
  if (const std::string_view key = trim(from_spec); !key.empty()) {
    return {std::string(key), spec_key};
  }
  for (const char* name : variables) {
    const char* value = getenv(name);
    if (value == nullptr || trim(value).empty()) continue;
    return {std::string(trim(value)), fmt::format("the environment variable {}", name)};
  }
  return {};
}

// What a header cannot hold; mostly two keys, or a whole file, in one variable.
Status check_api_key(const NamedKey& found) {
  if (!holds_control_character(found.key)) return {};
  return fail(ErrorKind::kInvalidArgument,
              fmt::format("the API key in {} holds a line break or another control character: it "
                          "must be the key alone, on one line",
                          found.origin));
}

}  // namespace

Status resolve_environment(Spec& spec, const std::function<const char*(const char*)>& getenv) {
  const bool openai = spec.vlm.backend == Backend::kOpenAi;
  std::string& key = openai ? spec.vlm.openai.api_key : spec.vlm.gemini.api_key;
  NamedKey found =
      openai ? find_api_key(key, key::kOpenAiApiKey, {"OPENAI_API_KEY"}, getenv)
             : find_api_key(key, key::kGeminiApiKey, {"GOOGLE_API_KEY", "GEMINI_API_KEY"}, getenv);
  if (auto status = check_api_key(found); !status) return status;
  key = std::move(found.key);
  if (openai || !key.empty()) return {};
  return fail(ErrorKind::kInvalidArgument,
              fmt::format("no API key for Gemini: set the environment variable GOOGLE_API_KEY (or "
                          "GEMINI_API_KEY), or {}",
                          key::kGeminiApiKey));
}

}  // namespace alig
