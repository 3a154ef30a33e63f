#include "auto_label_image_grounding/run/endpoint_memory.h"

#include <array>
#include <cstdint>

#include <nlohmann/json.hpp>

#include "auto_label_image_grounding/base/files.h"
#include "auto_label_image_grounding/base/hash.h"
#include "auto_label_image_grounding/base/json_text.h"
#include "auto_label_image_grounding/base/version.h"
#include "auto_label_image_grounding/vlm/prompts.h"

namespace alig {
namespace {

using nlohmann::json;

constexpr std::chrono::seconds kValid = std::chrono::hours(24);

struct PartRow {
  RequestPart part;
  const char* name;
};
constexpr std::array kPartNames = {PartRow{RequestPart::kTemperature, "temperature"},
                                   PartRow{RequestPart::kTokenLimit, "token_limit"},
                                   PartRow{RequestPart::kSchema, "schema"},
                                   PartRow{RequestPart::kMediaResolution, "media_resolution"}};
static_assert(kPartNames.size() == kRequestParts);

std::filesystem::path memory_path(const ResultsDir& dir) {
  return dir.state_dir() / "endpoints.json";
}

// Not the address itself: it may hold a password.
std::string key_of(const VlmBackend& backend) {
  return FieldHasher().add(kVersion).add(backend.base_url()).add(backend.model()).hex();
}

std::int64_t in_seconds(std::chrono::system_clock::time_point time) {
  return std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
}

json to_json(const EndpointMemory& memory, std::int64_t learnt_at) {
  json forms = json::object();
  json taken = json::array();
  for (const PartRow& row : kPartNames) {
    forms[row.name] = memory.facts.form[row.part];
    for (const auto& it : memory.facts.taken) {
      if (it.part == row.part) taken.push_back({row.name, it.form, it.value});
    }
  }
  return {{"learnt_at", learnt_at},
          {"forms", std::move(forms)},
          {"taken", std::move(taken)},
          {"refused_image_types", memory.images.refused},
          {"taken_image_types", memory.images.taken},
          {"max_image_bytes", memory.images.max_bytes}};
}

// Throws json's exceptions where the file is not one of ours.
EndpointMemory from_json(const json& text) {
  EndpointMemory memory;
  for (const PartRow& row : kPartNames) {
    memory.facts.form.choose(row.part, text.at("forms").at(row.name).get<std::size_t>());
    for (const json& it : text.at("taken")) {
      if (it.at(0) != row.name) continue;
      memory.facts.taken.insert(
          {row.part, it.at(1).get<std::size_t>(), it.at(2).get<std::string>()});
    }
  }
  text.at("refused_image_types").get_to(memory.images.refused);
  text.at("taken_image_types").get_to(memory.images.taken);
  text.at("max_image_bytes").get_to(memory.images.max_bytes);
  return memory;
}

EndpointMemory recall(const json& known, const std::string& key, std::int64_t now) {
  try {
    const json& entry = known.at(key);
    const auto age = now - entry.at("learnt_at").get<std::int64_t>();
    if (age >= 0 && age < kValid.count()) return from_json(entry);
  } catch (const json::exception&) {  // not there, or damaged
  }
  return {};
}

}  // namespace

std::vector<EndpointMemory> recall_endpoints(
    const ResultsDir& dir, const std::vector<std::unique_ptr<VlmBackend>>& backends,
    std::chrono::system_clock::time_point now) {
  const auto text = read_file(memory_path(dir));
  const json known = text ? parse_json(*text) : json();
  std::vector<EndpointMemory> out;
  for (const auto& backend : backends) {
    out.push_back(recall(known, key_of(*backend), in_seconds(now)));
  }
  return out;
}

Status remember_endpoints(const ResultsDir& dir,
                          const std::vector<std::unique_ptr<VlmBackend>>& backends,
                          const std::vector<EndpointMemory>& memories,
                          std::chrono::system_clock::time_point now) {
  json out = json::object();
  for (std::size_t i = 0; i < backends.size(); ++i) {
    if (memories[i].facts.taken.empty()) continue;  // it has answered nothing
    out[key_of(*backends[i])] = to_json(memories[i], in_seconds(now));
  }
  if (out.empty()) return {};
  return write_file_atomically(memory_path(dir), json_text(out, 1) + "\n", Sync::kNo,
                               dir.temporaries());
}

std::map<std::string, std::string> sent_otherwise(const VlmBackend& backend,
                                                  const NegotiatedFacts& facts) {
  VlmQuery full;
  full.image.emplace();
  full.schema = &grounding_schema();
  std::map<std::string, std::string> out;
  for (const OptionalPart& part : backend.optional_parts(full)) {
    const std::size_t form = facts.form[part.part];
    if (form == 0) continue;
    out[part.forms.front()] = form < part.left_out() ? part.forms[form] : "left out";
  }
  return out;
}

}  // namespace alig
