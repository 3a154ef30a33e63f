// When run alone, step 1 takes step 0's lines as they are, including manual corrections. This makes
// sure that they still are consistent. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_set>
#include <vector>

#include "auto_label_image_grounding/data/record.h"
#include "auto_label_image_grounding/steps/label_counts.h"

namespace alig {

// Gives every expression of a file a unique id: the one it has, or a new one if it has none or if
// another expression has it already. Takes one bit per id while ids are numbered like ours; an id
// of another form is remembered by its hash (two with the same hash would count as equal).
class ExpressionIds {
 public:
  // `next`: the first number above those in the file.
  explicit ExpressionIds(std::int64_t next) : next_(next) {}
  // "expr_00007". Ids are to be claimed in the order of the file.
  std::string claim(const std::string& wanted);

 private:
  bool take(const std::string& id);

  std::int64_t next_;
  std::vector<bool> taken_;
  std::unordered_set<std::size_t> others_;  // hashes of ids of another form
};

// Corrects the char_span of each expression: it is kept if the text is there, ignoring case;
// otherwise it becomes that of the nearest occurrence that no other expression of the same text
// has, or null. Missing fields (cleaned_caption, noun_chunk, expression_id, char_span) are filled
// in. Everything else is left as written. Precondition: read_extracted_record() has taken the
// record.
void check_corrections(Record& extracted, ExpressionIds& ids, LabelCounts& counts);

}  // namespace alig
