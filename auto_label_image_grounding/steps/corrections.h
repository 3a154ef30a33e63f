// Step 1 alone takes step 0's lines as they stand, hand-made corrections included. Here is what
// must be true of them all the same. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_set>
#include <vector>

#include "auto_label_image_grounding/data/record.h"
#include "auto_label_image_grounding/steps/label_counts.h"

namespace alig {

// Gives every expression of a file an id of its own: the one it has, or a new one where it has none
// or somebody else has it already. A bit per id, as long as ids are numbered as ours are; an id of
// another form is known by its hash (two with the same hash would count as equal).
class ExpressionIds {
 public:
  // `next`: the first number that no expression of the file has.
  explicit ExpressionIds(std::int64_t next) : next_(next) {}
  // "expr_00007". Ids are to be claimed in the order of the file.
  std::string claim(const std::string& wanted);

 private:
  bool take(const std::string& id);

  std::int64_t next_;
  std::vector<bool> taken_;
  std::unordered_set<std::size_t> others_;  // hashes of ids of another form
};

// Makes the char_span of each expression true: it stays where the text stands there, up to letter
// case; else it becomes that of the nearest occurrence that no other expression of the same text
// has, or null. What was left out (cleaned_caption, noun_chunk, expression_id, char_span) is filled
// in. Everything else stays as it is written. Precondition: read_extracted_record() has taken the
// record.
void check_corrections(Record& extracted, ExpressionIds& ids, LabelCounts& counts);

}  // namespace alig
