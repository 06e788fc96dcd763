export { toStored } from './code.ts';
export { readCsv } from './csv.ts';
export { workOnRun } from './generate.ts';
export { lockCode } from './lock.ts';
export { recipeFields, toRecipe } from './recipe.ts';
export { redeemCode } from './redeem.ts';
export { beginRun, readRun } from './runs.ts';
export { uploadCodes } from './upload.ts';
