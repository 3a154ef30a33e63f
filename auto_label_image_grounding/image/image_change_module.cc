#include "auto_label_image_grounding/base/version.h"
#include "auto_label_image_grounding/image/image_change.h"

extern "C" [[gnu::visibility("default")]] const alig::ChangeImageModule alig_image_change;
const alig::ChangeImageModule alig_image_change = {alig::kVersion, alig::kChangeImageLayout,
                                                   &alig::change_image};
