/** A node of a plan as Postgres explains it. */
export type PlanNode = {
  'Node Type': string;
  'Relation Name'?: string;
  'Index Cond'?: string;
  'Index Name'?: string;
  'Shared Hit Blocks'?: number;
  'Shared Read Blocks'?: number;
  Plans?: PlanNode[];
};

/** What EXPLAIN (format json) answers. */
export type Explained = { 'QUERY PLAN': { Plan: PlanNode }[] };

/** All nodes of a plan, its root first. */
export function nodesOf(explained: Explained | undefined): PlanNode[] {
  return flatten(explained?.['QUERY PLAN'].map(one => one.Plan) ?? []);
}

function flatten(nodes: PlanNode[]): PlanNode[] {
  return nodes.flatMap(node => [node, ...flatten(node.Plans ?? [])]);
}

/** Nodes that read a whole one of these tables, or a whole index of it. */
export function wholeReads(nodes: PlanNode[], tables: string[]): string[] {
  return nodes
    .filter(node => tables.includes(node['Relation Name'] ?? ''))
    .filter(node => node['Node Type'] !== 'ModifyTable' && !node['Index Cond'])
    .map(node => `${node['Node Type']} on ${node['Relation Name']} ${node['Index Name'] ?? ''}`);
}

/** The blocks that a plan touched as it ran (explained with buffers): what its time comes from, without the machine's moods. */
export function blocksOf([root]: PlanNode[]): number {
  return (root?.['Shared Hit Blocks'] ?? 0) + (root?.['Shared Read Blocks'] ?? 0);
}
