// What a run has learnt about its endpoints, kept in results_dir for the next one.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "auto_label_image_grounding/base/status.h"
#include "auto_label_image_grounding/calls/image_demands.h"
#include "auto_label_image_grounding/calls/negotiation.h"
#include "auto_label_image_grounding/results/results_dir.h"
#include "auto_label_image_grounding/vlm/backend.h"

namespace alig {

struct EndpointMemory {
  NegotiatedFacts facts;
  ImageFacts images;
};

// Of the endpoints of this run, in their order. What is older than a day, was learnt by another
// version of this program, or cannot be read, is forgotten.
std::vector<EndpointMemory> recall_endpoints(
    const ResultsDir& dir, const std::vector<std::unique_ptr<VlmBackend>>& backends,
    std::chrono::system_clock::time_point now);

// kIo. Other endpoints are forgotten.
Status remember_endpoints(const ResultsDir& dir,
                          const std::vector<std::unique_ptr<VlmBackend>>& backends,
                          const std::vector<EndpointMemory>& memories,
                          std::chrono::system_clock::time_point now);

// What is sent otherwise than at first, by the name of the part: "temperature" -> "left out",
// "max_tokens" -> "max_completion_tokens".
std::map<std::string, std::string> sent_otherwise(const VlmBackend& backend,
                                                  const NegotiatedFacts& facts);

}  // namespace alig
