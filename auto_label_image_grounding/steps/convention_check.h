// Checks whether a run's boxes, as a whole, fit the coordinate convention in which they were read.
//
// A single box proves nothing: [10, 20, 30, 40] is a box in every convention. Over many boxes a
// wrong scale shows: numbers beyond the range, or none where many should be ("asked for pixels of
// 4000 x 3000 images, and no number is above 1000"). Axis order cannot be detected in relative
// numbers, so it is not checked there.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "auto_label_image_grounding/vlm/coordinates.h"

namespace alig {

// Counted over raw boxes, before anything is ordered, clamped or dropped. Summed with +=.
struct ConventionEvidence {
  // Conventions that the numbers could be in instead. Pixels with swapped axes show only in images
  // that are not square.
  static constexpr std::array<CoordinateConvention, 5> kCandidates = {{{AxisOrder::kXyxy, 1},
                                                                       {AxisOrder::kXyxy, 100},
                                                                       {AxisOrder::kXyxy, 1000},
                                                                       {AxisOrder::kXyxy, 0},
                                                                       {AxisOrder::kYxyx, 0}}};
  struct Fit {
    std::int64_t beyond = 0;  // boxes with a number outside this candidate's range
    // How far into its range the boxes reach: the largest number / the range, summed over boxes.
    double reach = 0;
    // The expected number of boxes outside the candidate's range if the convention in use were
    // right and box edges were uniformly distributed.
    double expected_beyond = 0;
  };

  std::int64_t boxes = 0;
  std::int64_t beyond_range = 0;   // a number outside the range of the convention in use
  std::int64_t tiny = 0;           // both sides under 1 % of the image's
  std::int64_t full_image = 0;     // both sides over 95 % of the image's
  std::int64_t in_unit_range = 0;  // all four numbers in [0,1]
  std::array<Fit, kCandidates.size()> fits;

  ConventionEvidence& operator+=(const ConventionEvidence& other);
};

// Boxes in a form with its own scale (location tokens) prove nothing and are left out.
void add_evidence(const parse::RawBox& box, const CoordinateConvention& convention,
                  const ImageSize& sent, ConventionEvidence& evidence);

struct ConventionDoubt {
  std::string reason;                          // with the figures
  std::optional<CoordinateConvention> better;  // one that fits the numbers, if any
};
// Nothing if the boxes fit, or are too few to judge.
std::optional<ConventionDoubt> doubt_convention(const ConventionEvidence& evidence,
                                                const CoordinateConvention& convention);

// A sentence for the user: the reason, and what to set vlm.coordinates to.
std::string describe(const ConventionDoubt& doubt, const CoordinateConvention& convention);

}  // namespace alig
